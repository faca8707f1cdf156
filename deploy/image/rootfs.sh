#!/bin/sh
# Puts together the whole file system of the image, from the program, a Node binary and this machine's iptables and busybox:
# nothing else is in it. The Dockerfile and prove.sh run the same script.
# Usage: rootfs.sh TARGET PROGRAM NODE full|sidecar        (sidecar: without the aggregator's database engine)
set -eu

[ $# = 4 ] || { echo "usage: $0 TARGET PROGRAM NODE full|sidecar" >&2; exit 2; }
TARGET=$1 PROGRAM=$2 NODE=$3 KIND=$4

mkdir -p "$TARGET"/usr/bin "$TARGET"/usr/sbin "$TARGET"/usr/lib "$TARGET"/usr/lib64 "$TARGET"/etc/ssl/certs \
  "$TARGET"/opt "$TARGET"/data "$TARGET"/tmp "$TARGET"/proc "$TARGET"/dev "$TARGET"/run
for name in bin sbin lib lib64; do ln -sfn "usr/$name" "$TARGET/$name"; done
chmod 1777 "$TARGET/tmp"

# with_libraries FILE DESTINATION: the file, and what the loader will look for.
with_libraries() {
  cp -L "$1" "$TARGET$2"
  ldd "$1" 2> /dev/null | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]*\(\/[^ ]*ld-[^ ]*\) .*/\1/p' | while read -r library; do
    mkdir -p "$TARGET$(dirname "$library")"
    [ -e "$TARGET$library" ] || cp -L "$library" "$TARGET$library"
  done
}

with_libraries "$NODE" /usr/bin/node
strip "$TARGET/usr/bin/node" 2> /dev/null || true

# The shell of the init container, and the few tools that init.sh uses; ip for the route of TPROXY.
cp -L "$(command -v busybox)" "$TARGET/usr/bin/busybox"
for tool in sh cat grep sed tr dirname env ip; do ln -sfn busybox "$TARGET/usr/bin/$tool"; done

with_libraries "$(command -v xtables-nft-multi || echo /usr/sbin/xtables-nft-multi)" /usr/sbin/xtables-nft-multi
for tool in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
  ln -sfn xtables-nft-multi "$TARGET/usr/sbin/$tool"
done
modules=$(dirname "$(find /usr/lib -path '*/xtables/libxt_tcp.so' | head -n 1)")
mkdir -p "$TARGET$modules"
for name in xt_tcp xt_owner xt_mark xt_connmark xt_socket xt_conntrack xt_TPROXY xt_MARK xt_CONNMARK xt_standard xt_REDIRECT \
  xt_NAT; do
  [ ! -e "$modules/lib$name.so" ] || with_libraries "$modules/lib$name.so" "$modules/lib$name.so"
done
for module in "$modules"/libipt_REDIRECT.so "$modules"/libip6t_REDIRECT.so; do
  [ ! -e "$module" ] || with_libraries "$module" "$module"
done

cp -a "$PROGRAM" "$TARGET/opt/hopscope"
cd "$TARGET/opt/hopscope"
# What only people and compilers read, and builds for other systems.
find . -type f \( -name '*.map' -o -name '*.ts' -o -name '*.mts' -o -name '*.cts' -o -iname '*.md' \
  -o -name '*.c' -o -name '*.cc' -o -name '*.cpp' -o -name '*.h' -o -name '*.map.*' \) ! -path './README.md' -delete
find node_modules -type d \( -name test -o -name tests -o -name docs -o -name example -o -name examples -o -name benchmark \) \
  -prune -exec rm -rf {} +
rm -rf node_modules/@types node_modules/protobufjs/dist
find node_modules/@lmdb -name '*.node' ! -name '*napi.glibc*' -delete 2> /dev/null || true
[ "$KIND" = full ] || rm -rf node_modules/@duckdb
find node_modules \( -name '*.node' -o -name '*.so' \) -exec strip --strip-unneeded {} + 2> /dev/null || true
find node_modules -name '*.node' -o -name '*.so' | while read -r file; do
  ldd "$file" 2> /dev/null | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p' | while read -r library; do
    case $library in "$PWD"/*) continue ;; esac
    mkdir -p "$TARGET$(dirname "$library")"
    [ -e "$TARGET$library" ] || cp -L "$library" "$TARGET$library"
  done
done
chmod -R a+rX .

printf 'root:x:0:0::/:/bin/sh\nhopscope:x:1337:1337::/tmp:/bin/sh\n' > "$TARGET/etc/passwd"
printf 'root:x:0:\nhopscope:x:1337:\n' > "$TARGET/etc/group"
echo 'hosts: files dns' > "$TARGET/etc/nsswitch.conf"
[ ! -e /etc/ssl/certs/ca-certificates.crt ] || cp -L /etc/ssl/certs/ca-certificates.crt "$TARGET/etc/ssl/certs/"
chown -R 0:0 "$TARGET/opt" "$TARGET/usr" && chown 1337:1337 "$TARGET/data"
