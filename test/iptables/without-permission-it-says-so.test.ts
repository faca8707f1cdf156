import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createPair, netnsUnavailable, type Pair } from '../interception/netns.ts'
import { OPTIONS, program } from '../interception/programs.ts'

const skip = netnsUnavailable()
let pair: Pair
before(() => {
  if (skip === false) pair = createPair()
})
after(async () => {
  if (skip === false) await pair.cleanup()
})

for (const action of ['apply', 'check', 'clean']) {
  test(`${action} as another user than root`, { skip }, () => {
    const { status, stderr } = pair.pod.exec(program('rules-command', action, JSON.stringify(OPTIONS)), { uid: 1000 })
    assert.equal(status, 1)
    assert.equal(stderr, 'hopscope iptables: not permitted: run as root, or with the capability NET_ADMIN\n')
  })
}

test('wrong settings end with 2 and name the setting', { skip }, () => {
  const wrong = JSON.stringify({ ...OPTIONS, proxyUid: 0, ports: [15001] })
  const { status, stderr } = pair.pod.exec(program('rules-command', 'apply', wrong))
  assert.equal(status, 2)
  assert.match(stderr, /intercept\.proxyUid: .*\n?.*/)
  assert.match(stderr, /intercept\.ports: 15001 is the port of the proxy itself/)
  assert.doesNotMatch(pair.pod.exec(['iptables-save']).stdout, /HOPSCOPE/)
})
