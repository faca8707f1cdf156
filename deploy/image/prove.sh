#!/bin/bash
# Proves the image without Docker: the same files, put together in a folder, as a read-only root; the program as user 1337
# without capabilities, the rules with two. Needs root (namespaces), npm, iptables, busybox-static; NODE=… chooses the binary.
set -euo pipefail
cd "$(dirname "$0")/../.."
NODE=${NODE:-$(command -v node)}
scratch=$(mktemp -d "${TMPDIR:-/tmp}/hopscope-image.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
say() { printf '%s\n' "$*"; }

npm pack --silent --pack-destination "$scratch" > /dev/null
mkdir "$scratch/program"
tar -xzf "$scratch"/hopscope-*.tgz -C "$scratch/program" --strip-components=1
cp package-lock.json "$scratch/program/"
(cd "$scratch/program" && npm ci --omit=dev --ignore-scripts --no-audit --no-fund > /dev/null 2>&1)

LIMIT=200000000

for kind in sidecar full; do
  root=$scratch/$kind
  sh deploy/image/rootfs.sh "$root" "$scratch/program" "$NODE" "$kind"
  packed=$(tar -C "$root" -cf - . | gzip -6 | wc -c)
  bytes=$(du -sb --apparent-size "$root" | cut -f1)
  say "$kind: $((bytes / 1000000)) MB of files, $((packed / 1000000)) MB packed"
  ((bytes < LIMIT)) || { say "$kind is larger than $((LIMIT / 1000000)) MB"; exit 1; }
  unshare --mount --net bash -c '
    set -euo pipefail
    root=$1 kind=$2 here=$3
    ip link set lo up
    mount --make-rprivate /
    mount --bind "$root" "$root"
    mount -o remount,bind,ro "$root"
    mount --rbind /dev "$root/dev"
    mount -t proc proc "$root/proc"
    mount -t tmpfs -o mode=1777 tmpfs "$root/data"
    cp "$here/deploy/image/check.mjs" "$root/data/"
    as() { env -i PATH=/usr/bin:/usr/sbin "$@"; }
    # chroot needs a capability that the program shall not have: enter first, step down inside.
    cp "$(command -v setpriv)" "$root/data/setpriv"
    for library in $(ldd "$(command -v setpriv)" | sed -n "s/.*=> \(\/[^ ]*\) .*/\1/p"); do cp -L "$library" "$root/data/"; done
    # The rules: root with two capabilities, on a read-only root.
    as chroot "$root" /usr/bin/env LD_LIBRARY_PATH=/data /data/setpriv --bounding-set=-all,+net_admin,+net_raw \
      --inh-caps=-all,+net_admin,+net_raw --no-new-privs /usr/bin/env -u LD_LIBRARY_PATH \
      XTABLES_LOCKFILE=/dev/shm/xtables.lock /opt/hopscope/iptables/init.sh apply
    as chroot "$root" iptables-save -t nat | grep -q -- "--dport 443 -j REDIRECT --to-ports 15001"
    echo "$kind: rules are written"
    as chroot "$root" /opt/hopscope/iptables/init.sh clean
    # With the route of TPROXY, whose program and modules are others.
    as XTABLES_LOCKFILE=/dev/shm/xtables.lock HOPSCOPE_INTERCEPT_MODE=tproxy chroot "$root" /opt/hopscope/iptables/init.sh apply
    as chroot "$root" iptables-save -t mangle | grep -q -- "--dport 443 -j TPROXY --on-port 15001"
    ip rule show | grep -q "fwmark 0x539 lookup 133"
    echo "$kind: rules of TPROXY are written"
    as XTABLES_LOCKFILE=/dev/shm/xtables.lock chroot "$root" /opt/hopscope/iptables/init.sh clean
    as chroot "$root" /usr/bin/env LD_LIBRARY_PATH=/data /data/setpriv --reuid=1337 --regid=1337 --clear-groups \
      --bounding-set=-all --inh-caps=-all --no-new-privs /usr/bin/env -u LD_LIBRARY_PATH node /data/check.mjs "$kind"
  ' prove "$root" "$kind" "$PWD"
done
