import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createPair, netnsUnavailable, type Pair } from '../interception/netns.ts'
import { rules } from '../interception/programs.ts'

const skip = netnsUnavailable()
let pair: Pair
before(() => {
  if (skip === false) pair = createPair()
})
after(async () => {
  if (skip === false) await pair.cleanup()
})

/** Apply, break one thing by hand, and give what check says; then apply must have mended it. */
function broken(...command: string[]): string {
  assert.equal(rules(pair.pod, 'apply').status, 0)
  const { status, stderr } = pair.pod.exec(command)
  assert.equal(status, 0, stderr)
  const check = rules(pair.pod, 'check')
  assert.equal(check.status, 1)
  assert.equal(rules(pair.pod, 'apply').status, 0)
  assert.equal(rules(pair.pod, 'check').status, 0)
  return check.said
}

test('a rule that was deleted', { skip }, () => {
  const said = broken('iptables', '-t', 'nat', '-D', 'HOPSCOPE_OUTPUT', '-o', 'lo', '-j', 'RETURN')
  assert.equal(said, 'ipv4: nat: missing     -A HOPSCOPE_OUTPUT -o lo -j RETURN\n')
})

test('a rule that was added', { skip }, () => {
  const said = broken('ip6tables', '-t', 'nat', '-A', 'HOPSCOPE_OUTPUT', '-j', 'RETURN')
  assert.equal(said, 'ipv6: nat: unexpected  -A HOPSCOPE_OUTPUT -j RETURN\n')
})

test('IPv6 rules where IPv6 is not to be intercepted', { skip }, () => {
  assert.equal(rules(pair.pod, 'apply').status, 0)
  const { status, said } = rules(pair.pod, 'check', { ipv6: false })
  assert.equal(status, 1)
  assert.match(said, /^(ipv6: nat: unexpected .*\n)+$/)
  assert.equal(rules(pair.pod, 'apply', { ipv6: false }).status, 0)
  assert.equal(rules(pair.pod, 'check', { ipv6: false }).status, 0)
})

test('a jump that is there twice', { skip }, () => {
  const said = broken('iptables', '-t', 'nat', '-A', 'OUTPUT', '-p', 'tcp', '-j', 'HOPSCOPE_OUTPUT')
  assert.equal(said, 'ipv4: nat: unexpected  -A OUTPUT -p tcp -j HOPSCOPE_OUTPUT\n')
})

test('a jump that was deleted', { skip }, () => {
  const said = broken('iptables', '-t', 'nat', '-D', 'PREROUTING', '-p', 'tcp', '-j', 'HOPSCOPE_INBOUND')
  assert.equal(said, 'ipv4: nat: missing     -A PREROUTING -p tcp -j HOPSCOPE_INBOUND\n')
})

test('the right rules in a wrong order', { skip }, () => {
  const script = [
    'iptables -t nat -D HOPSCOPE_OUTPUT -m owner --uid-owner 1337 -j RETURN',
    'iptables -t nat -A HOPSCOPE_OUTPUT -m owner --uid-owner 1337 -j RETURN',
  ]
  assert.equal(broken('sh', '-c', script.join(' && ')), 'ipv4: nat: the rules are there, in another order\n')
})

test('the route of TPROXY mode', { skip }, () => {
  assert.equal(rules(pair.pod, 'apply', { mode: 'tproxy' }).status, 0)
  pair.pod.exec(['ip', '-6', 'rule', 'del', 'fwmark', '0x539', 'lookup', '133'])
  assert.deepEqual(rules(pair.pod, 'check', { mode: 'tproxy' }), {
    status: 1,
    said: 'ipv6: missing     ip rule fwmark 0x539 lookup 133\n',
  })
})
