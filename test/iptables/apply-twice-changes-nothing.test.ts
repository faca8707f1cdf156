/** apply, check and clean with the real iptables in a namespace of their own. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createPair, netnsUnavailable, type Pair } from '../interception/netns.ts'
import { rules, state } from '../interception/programs.ts'

const skip = netnsUnavailable()
let pair: Pair
before(() => {
  if (skip === false) pair = createPair()
})
after(async () => {
  if (skip === false) await pair.cleanup()
})

const EXCLUSIONS = {
  excludeInboundPorts: [8443],
  excludeOutboundPorts: [9999, 3306],
  // Host bits, other spellings and bare addresses must compare equal to what the kernel lists.
  excludeOutboundCidrs: ['10.9.1.1/8', '192.0.2.1', 'FD00:0::0001', '2001:DB8:0:0::/32', '169.254.169.254/32'],
  excludeUids: [0, 55],
}

for (const mode of ['redirect', 'tproxy'] as const) {
  for (const [name, more] of [['plain', {}] as const, ['with exclusions', EXCLUSIONS] as const]) {
    test(`${mode} ${name}: applied twice is applied once, and checks; cleaned twice leaves nothing`, { skip }, () => {
      const options = { ...more, mode }
      rules(pair.pod, 'clean')
      assert.equal(rules(pair.pod, 'apply', options).status, 0)
      const once = state(pair.pod)
      assert.match(once, /-A PREROUTING -p tcp -j HOPSCOPE_INBOUND/)
      assert.equal(rules(pair.pod, 'apply', options).status, 0)
      assert.equal(state(pair.pod), once)
      assert.deepEqual(rules(pair.pod, 'check', options), { status: 0, said: 'the rules are as configured\n' })
      assert.equal(rules(pair.pod, 'clean').status, 0)
      assert.equal(rules(pair.pod, 'clean').status, 0)
      assert.doesNotMatch(state(pair.pod), /HOPSCOPE|^-A |fwmark|table 133/m)
    })
  }
}

test('changing the mode takes the rules of the other mode away', { skip }, () => {
  assert.equal(rules(pair.pod, 'apply', { mode: 'tproxy' }).status, 0)
  assert.equal(rules(pair.pod, 'apply', { mode: 'redirect' }).status, 0)
  assert.doesNotMatch(state(pair.pod), /TPROXY|fwmark|table 133/)
  assert.equal(rules(pair.pod, 'check', { mode: 'redirect' }).status, 0)
  assert.match(rules(pair.pod, 'check', { mode: 'tproxy' }).said, /ipv6: mangle: missing .*TPROXY/)
})

test('rules of others stay', { skip }, () => {
  const theirs = ['-p', 'tcp', '--dport', '7777', '-j', 'ACCEPT']
  pair.pod.exec(['iptables', '-t', 'nat', '-A', 'OUTPUT', ...theirs])
  rules(pair.pod, 'apply')
  rules(pair.pod, 'clean')
  assert.match(state(pair.pod), /-A OUTPUT -p tcp -m tcp --dport 7777 -j ACCEPT/)
  pair.pod.exec(['iptables', '-t', 'nat', '-D', 'OUTPUT', ...theirs])
})

test('without ipv6 only IPv4 is touched, and IPv6 rules of before go', { skip }, () => {
  rules(pair.pod, 'apply')
  assert.equal(rules(pair.pod, 'apply', { ipv6: false }).status, 0)
  assert.doesNotMatch(pair.pod.exec(['ip6tables-save']).stdout, /HOPSCOPE/)
  assert.equal(rules(pair.pod, 'check', { ipv6: false }).status, 0)
  assert.equal(rules(pair.pod, 'check').status, 1)
})
