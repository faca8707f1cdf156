#!/bin/sh
# Sets (apply, the default) or removes (clean) the redirect rules, without Node: the command of an init container.
# The same templates and the same settings, as environment variables, as `hopscope iptables`.
set -eu

PORT=${HOPSCOPE_PORT:-15001}
MODE=${HOPSCOPE_INTERCEPT_MODE:-redirect}
IPV6=${HOPSCOPE_INTERCEPT_IPV6:-true}
PROXY_UID=${HOPSCOPE_INTERCEPT_PROXY_UID:-1337}
list() { printf '%s' "$1" | tr ',' ' '; }
PORTS=$(list "${HOPSCOPE_INTERCEPT_PORTS:-80,443}")
EXCLUDE_INBOUND_PORTS=$(list "${HOPSCOPE_INTERCEPT_EXCLUDE_INBOUND_PORTS:-}")
EXCLUDE_OUTBOUND_PORTS=$(list "${HOPSCOPE_INTERCEPT_EXCLUDE_OUTBOUND_PORTS:-}")
EXCLUDE_OUTBOUND_CIDRS=$(list "${HOPSCOPE_INTERCEPT_EXCLUDE_OUTBOUND_CIDRS:-}")
EXCLUDE_UIDS=$(list "${HOPSCOPE_INTERCEPT_EXCLUDE_UIDS:-}")
HERE=$(cd "$(dirname "$0")" && pwd)

die() { echo "hopscope init: $*" >&2; exit 1; }
warn() { echo "hopscope init: warning: $*" >&2; }
fault() { echo "hopscope init: $*" >&2; exit 2; }

# number NAME LEAST MOST VALUE...: the values become text of rules, so that nothing else may be in them. No leading zero:
# iptables takes such a number for an octal one.
number() {
  name=$1 least=$2 most=$3
  shift 3
  for value in "$@"; do
    case $value in '' | *[!0-9]* | 0?* | ???????????*) fault "$name: '$value' is not a plain number" ;; esac
    { [ "$value" -ge "$least" ] && [ "$value" -le "$most" ]; } || fault "$name: $value is not in $least..$most"
  done
}

# network NAME VALUE: an address or a network. iptables itself would look up a name, and take a mask or short forms.
network() {
  address=${2%%/*}
  case $address in
    *[!0-9a-fA-F:.]* | .* | *. | *..* | *.*.*.*.* | ::[fF][fF][fF][fF]:*) fault "$1: '$2' is not an address or a network" ;;
    *:*) bits=128 ;;
    *.*.*.*)
      bits=32
      number "$1: '$2'" 0 255 $(printf '%s' "$address" | tr . ' ')
      ;;
    *) fault "$1: '$2' is not an address or a network" ;;
  esac
  # Not 0: that excludes everything.
  case $2 in */*) number "$1: '$2'" 1 "$bits" "${2#*/}" ;; esac
}

validate() {
  set -f
  case $MODE in redirect | tproxy) ;; *) fault "HOPSCOPE_INTERCEPT_MODE: '$MODE' is not redirect or tproxy" ;; esac
  case $IPV6 in true | false) ;; *) fault "HOPSCOPE_INTERCEPT_IPV6: '$IPV6' is not true or false" ;; esac
  case $PORTS in *[![:space:]]*) ;; *) fault 'HOPSCOPE_INTERCEPT_PORTS: there must be one at least' ;; esac
  number HOPSCOPE_PORT 1 65535 "$PORT"
  number HOPSCOPE_INTERCEPT_PORTS 1 65535 $PORTS
  number HOPSCOPE_INTERCEPT_EXCLUDE_INBOUND_PORTS 1 65535 $EXCLUDE_INBOUND_PORTS
  number HOPSCOPE_INTERCEPT_EXCLUDE_OUTBOUND_PORTS 1 65535 $EXCLUDE_OUTBOUND_PORTS
  # Not 0: all that root calls would go unseen.
  number HOPSCOPE_INTERCEPT_PROXY_UID 1 4294967294 "$PROXY_UID"
  number HOPSCOPE_INTERCEPT_EXCLUDE_UIDS 0 4294967294 $EXCLUDE_UIDS
  for value in $PORTS; do
    [ "$value" -ne "$PORT" ] || fault "HOPSCOPE_INTERCEPT_PORTS: $value is the port of the proxy itself"
  done
  for value in $EXCLUDE_OUTBOUND_CIDRS; do network HOPSCOPE_INTERCEPT_EXCLUDE_OUTBOUND_CIDRS "$value"; done
}

# values NAME FAMILY
values() {
  case $1 in
    port) echo "$PORT" ;;
    ports) echo "$PORTS" ;;
    any) [ "$2" = 4 ] && echo 0.0.0.0 || echo :: ;;
    link_local) [ "$2" = 4 ] || echo fe80::/10 ;;
    proxy_uid) echo "$PROXY_UID" ;;
    exclude_inbound_ports) echo "$EXCLUDE_INBOUND_PORTS" ;;
    exclude_outbound_ports) echo "$EXCLUDE_OUTBOUND_PORTS" ;;
    exclude_uids) echo "$EXCLUDE_UIDS" ;;
    exclude_outbound_cidrs)
      for value in $EXCLUDE_OUTBOUND_CIDRS; do
        case $value in *:*) [ "$2" = 4 ] || echo "$value" ;; *) [ "$2" = 6 ] || echo "$value" ;; esac
      done ;;
    *) die "the template has an unknown placeholder $1" ;;
  esac
}

# fill FAMILY LINE: the line once for each value of its first placeholder, and so on with the next.
fill() (
  case $2 in *@*@*) ;; *) printf '%s\n' "$2"; exit ;; esac
  before=${2%%@*} rest=${2#*@}
  for one in $(values "${rest%%@*}" "$1"); do fill "$1" "$before$one${rest#*@}"; done
)

tool() { [ "$1" = 4 ] && echo iptables || echo ip6tables; }

# saved FAMILY TABLE: our part of a table as it is now.
saved() { "$(tool "$1")-save" -t "$2" | grep -E '^(:HOPSCOPE_| *-A (HOPSCOPE_|.* -j HOPSCOPE_))' || true; }

# deletion FAMILY TABLE: restore input that removes all that is ours.
deletion() {
  now=$(saved "$1" "$2")
  [ -n "$now" ] || return 0
  echo "*$2"
  printf '%s\n' "$now" | sed -n 's/^-A \([^H].* -j HOPSCOPE_\)/-D \1/p'
  printf '%s\n' "$now" | sed -n 's/^:\(HOPSCOPE_[A-Z]*\) .*/-F \1/p'
  printf '%s\n' "$now" | sed -n 's/^:\(HOPSCOPE_[A-Z]*\) .*/-X \1/p'
  echo COMMIT
}

# addition FAMILY TABLE: restore input that refills our chains; a jump that is there already is left out.
addition() {
  now=$(saved "$1" "$2")
  while IFS= read -r line; do
    case $line in
      '' | '#'*) continue ;;
      *' -j HOPSCOPE_'*) printf '%s\n' "$now" | grep -qxF -e "$line" && continue ;;
    esac
    fill "$1" "$line"
  done < "$HERE/$MODE.rules"
}

restore() { "$(tool "$1")-restore" -w 10 --noflush; }

anywhere() { [ "$1" = 4 ] && echo 0.0.0.0/0 || echo ::/0; }

add_route() {
  ip "-$1" route replace local "$(anywhere "$1")" dev lo table 133
  ip "-$1" rule show | grep -q 'fwmark 0x539 lookup 133' || ip "-$1" rule add fwmark 0x539 lookup 133
}

remove_route() {
  command -v ip > /dev/null || return 0
  while ip "-$1" rule del fwmark 0x539 lookup 133 2> /dev/null; do :; done
  ip "-$1" route del local "$(anywhere "$1")" dev lo table 133 2> /dev/null || true
}

apply() {
  if [ "$MODE" = tproxy ]; then table=mangle other=nat; else table=nat other=mangle; fi
  # The route has to be there before the first marked packet is.
  [ "$MODE" != tproxy ] || add_route "$1"
  input=$(deletion "$1" "$other"; addition "$1" "$table")
  printf '%s\n' "$input" | restore "$1"
  [ "$MODE" = tproxy ] || remove_route "$1"
}

clean() {
  input=$(deletion "$1" nat; deletion "$1" mangle)
  [ -z "$input" ] || printf '%s\n' "$input" | restore "$1"
  remove_route "$1"
}

action=${1:-apply}
case $action in apply | clean) ;; *) fault "usage: $0 [apply|clean]" ;; esac
validate
command -v iptables-restore > /dev/null || die 'iptables is not installed'
[ "$action $MODE" != 'apply tproxy' ] || command -v ip > /dev/null ||
  die 'ip is not installed, which tproxy needs (package iproute2, or busybox)'
"$action" 4
if [ ! -e /proc/net/if_inet6 ]; then
  [ "$IPV6" != true ] || warn 'this kernel has no IPv6; only IPv4 is intercepted'
elif [ "$IPV6" != true ] || [ "$action" = clean ]; then
  clean 6
elif [ "$MODE" = tproxy ] && ! grep -q . /proc/net/if_inet6; then
  # Off by sysctl, as Docker does: the route cannot be set.
  warn 'IPv6 is off here; only IPv4 is intercepted'
  clean 6
else
  apply 6
fi
