/** Programs and IPv6 taken away in a mount namespace: what is missing is named, and a missing IPv6 is no failure. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { after, before, test } from 'node:test'
import { createPair, type Ended, netnsUnavailable, type Pair } from '../interception/netns.ts'
import { OPTIONS, program, rules, state } from '../interception/programs.ts'

const skip = netnsUnavailable()
const noBusybox = spawnSync('busybox').error === undefined ? false : 'busybox is not installed'
let pair: Pair
before(() => {
  if (skip === false) pair = createPair()
})
after(async () => {
  if (skip === false) await pair.cleanup()
})

/** Run a command with something mounted away first; `$$` there is the pid of the command. */
function without(mount: string, command: readonly string[]): Ended {
  return pair.pod.exec(['unshare', '-m', 'sh', '-c', `${mount}; exec "$@"`, 'sh', ...command])
}

const NO_PROGRAMS = 'for d in /usr/sbin /sbin; do mount -t tmpfs none $d; done'
/** `/proc/net` is `/proc/self/net`; a child has its own, so that the tools still work. */
const NO_IPV6 = 'mount -t tmpfs none /proc/$$/net'

const command = (action: string, more: object = {}): string[] =>
  program('rules-command', action, JSON.stringify({ ...OPTIONS, ...more }))

for (const action of ['apply', 'check', 'clean']) {
  test(`${action} without iptables`, { skip }, () => {
    const { status, stderr } = without(NO_PROGRAMS, command(action))
    assert.equal(status, 1)
    assert.match(
      stderr,
      /^hopscope iptables: iptables-save is not installed \(Debian and Alpine: package iptables\)\n$/,
    )
  })
}

test('the script without iptables', { skip }, () => {
  const { status, stderr } = without(NO_PROGRAMS, ['sh', 'iptables/init.sh'])
  assert.equal(status, 1)
  assert.equal(stderr, 'hopscope init: iptables is not installed\n')
})

/** All other programs of the folder that it is in, as links to where they are now. */
const NO_IP = `own=$(dirname "$(readlink -f "$(command -v ip)")")
  mount -t tmpfs none /mnt
  mkdir /mnt/own && mount --bind "$own" /mnt/own && mount -t tmpfs none "$own"
  /mnt/own/ln -s /mnt/own/* "$own" && /mnt/own/rm "$own/ip"`
const BUSYBOX_IP = 'mount --bind "$(command -v busybox)" "$(readlink -f "$(command -v ip)")"'
const AS_SCRIPT: Readonly<Record<string, readonly string[]>> = {
  apply: ['env', 'HOPSCOPE_INTERCEPT_MODE=tproxy', 'sh', 'iptables/init.sh', 'apply'],
  clean: ['env', 'HOPSCOPE_INTERCEPT_MODE=tproxy', 'sh', 'iptables/init.sh', 'clean'],
}

test('without ip TPROXY is refused before a rule is written, and REDIRECT works', { skip }, () => {
  rules(pair.pod, 'clean')
  const refused = without(NO_IP, command('apply', { mode: 'tproxy' }))
  assert.equal(refused.stderr, 'hopscope iptables: ip is not installed (Debian and Alpine: package iproute2)\n')
  const script = without(NO_IP, AS_SCRIPT.apply!)
  assert.equal(script.stderr, 'hopscope init: ip is not installed, which tproxy needs (package iproute2, or busybox)\n')
  assert.deepEqual([refused.status, script.status], [1, 1])
  assert.doesNotMatch(state(pair.pod), /HOPSCOPE/)
  for (const redirect of [command('apply'), ['sh', 'iptables/init.sh'], command('clean')]) {
    const { status, stderr } = without(NO_IP, redirect)
    assert.deepEqual({ status, stderr }, { status: 0, stderr: '' })
  }
})

test("with busybox's ip the routes of TPROXY are the same", { skip: skip || noBusybox }, () => {
  rules(pair.pod, 'apply', { mode: 'tproxy' })
  const wanted = state(pair.pod)
  for (const [apply, remove] of [
    [command('apply', { mode: 'tproxy' }), command('clean')],
    [AS_SCRIPT.apply!, AS_SCRIPT.clean!],
  ] as const) {
    rules(pair.pod, 'clean')
    for (const ran of [apply, apply, command('check', { mode: 'tproxy' })]) {
      const { status, stderr } = without(BUSYBOX_IP, ran)
      assert.deepEqual({ status, stderr }, { status: 0, stderr: '' })
    }
    assert.equal(state(pair.pod), wanted)
    assert.equal(without(BUSYBOX_IP, remove).status, 0)
    assert.doesNotMatch(state(pair.pod), /HOPSCOPE|fwmark|table 133/)
  }
})

/** All of iptables behind a script that answers as the legacy programs do on a kernel without `ip6table_nat`. */
const NO_IP6_NAT = `real=$(readlink -f /usr/sbin/ip6tables-save)
  mount -t tmpfs none /mnt
  cp "$real" /mnt/real
  for name in iptables ip6tables; do for end in save restore; do ln -s real /mnt/$name-$end; done; done
  cat > /mnt/script <<'END'
#!/bin/sh
name=$(basename "$0")
[ "$name $*" != "ip6tables-save -t nat" ] || { echo "Cannot initialize: Table does not exist (do you need to insmod?)" >&2; exit 1; }
exec "/mnt/$name" "$@"
END
  chmod +x /mnt/script
  mount --bind /mnt/script "$real"`

test('without IPv6 NAT in the kernel redirecting IPv6 is an error, and without it all works', { skip }, () => {
  rules(pair.pod, 'clean')
  const refused = without(NO_IP6_NAT, command('apply'))
  assert.match(refused.stderr, /^hopscope iptables: ip6tables-save -t nat: .*insmod/)
  assert.equal(refused.status, 1)
  for (const more of [{ ipv6: false }, { mode: 'tproxy' }]) {
    for (const action of ['apply', 'check', 'clean']) {
      const { status, stderr } = without(NO_IP6_NAT, command(action, more))
      assert.deepEqual({ status, stderr }, { status: 0, stderr: '' }, action)
    }
  }
  assert.doesNotMatch(state(pair.pod), /HOPSCOPE/)
})

test('without IPv6 in the kernel IPv4 is intercepted, with a warning', { skip }, () => {
  const { status, stderr } = without(NO_IPV6, command('apply'))
  assert.equal(stderr, 'warning: this kernel has no IPv6; only IPv4 is intercepted\n')
  assert.equal(status, 0)
  assert.doesNotMatch(pair.pod.exec(['ip6tables-save']).stdout, /HOPSCOPE/)
  assert.equal(without(NO_IPV6, command('check')).status, 0)
  assert.match(state(pair.pod), /HOPSCOPE_INBOUND/)
  assert.equal(rules(pair.pod, 'check').status, 1)
})

test('the script without IPv6 in the kernel', { skip }, () => {
  rules(pair.pod, 'clean')
  const { status, stderr } = without(NO_IPV6, ['sh', 'iptables/init.sh'])
  assert.equal(stderr, 'hopscope init: warning: this kernel has no IPv6; only IPv4 is intercepted\n')
  assert.equal(status, 0)
  assert.doesNotMatch(pair.pod.exec(['ip6tables-save']).stdout, /HOPSCOPE/)
})

/** As Docker does it by default. */
function switchIpv6(off: 0 | 1): void {
  const files = ['all', 'default', 'lo', 'eth0'].map((name) => `/proc/sys/net/ipv6/conf/${name}/disable_ipv6`)
  const { status, stderr } = pair.pod.exec(['sh', '-c', `echo ${off} | tee "$@"`, 'sh', ...files])
  assert.equal(status, 0, stderr)
}

const BY_SYSCTL: Record<string, { apply: (mode: string) => Ended; warning: string }> = {
  'the command': {
    apply: (mode) => pair.pod.exec(command('apply', { mode })),
    warning: 'warning: IPv6 is off here; only IPv4 is intercepted\n',
  },
  'the script': {
    apply: (mode) => pair.pod.exec(['sh', 'iptables/init.sh'], { env: { HOPSCOPE_INTERCEPT_MODE: mode } }),
    warning: 'hopscope init: warning: IPv6 is off here; only IPv4 is intercepted\n',
  },
}

for (const [name, { apply, warning }] of Object.entries(BY_SYSCTL)) {
  test(`${name} where a sysctl switched IPv6 off: TPROXY of IPv4 alone, with a warning; REDIRECT as ever`, {
    skip,
  }, () => {
    rules(pair.pod, 'clean')
    switchIpv6(1)
    try {
      const redirect = apply('redirect')
      assert.deepEqual([redirect.status, redirect.stderr], [0, ''])
      assert.match(pair.pod.exec(['ip6tables-save']).stdout, /HOPSCOPE/)
      const tproxy = apply('tproxy')
      assert.deepEqual([tproxy.status, tproxy.stderr], [0, warning])
      assert.match(pair.pod.exec(['iptables-save']).stdout, /TPROXY/)
      assert.doesNotMatch(pair.pod.exec(['ip6tables-save']).stdout, /HOPSCOPE/)
      assert.equal(rules(pair.pod, 'check', { mode: 'tproxy' }).status, 0)
    } finally {
      switchIpv6(0)
    }
    assert.match(rules(pair.pod, 'check', { mode: 'tproxy' }).said, /^ipv6: mangle: missing/)
    rules(pair.pod, 'clean')
  })
}
