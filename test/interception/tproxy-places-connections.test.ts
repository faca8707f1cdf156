/** TPROXY mode with real rules: the transparent socket is made with the capability, which is dropped before listening. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { addLinkLocal, createPair, LINK_LOCAL, netnsUnavailable, type Pair, type Running } from './netns.ts'
import { APP_UID, dial, PROXY_UID, program, rules } from './programs.ts'

const skip = netnsUnavailable()
let pair: Pair
let proxy: Running
const BYTES = 400_000

before(async () => {
  if (skip !== false) return
  pair = createPair()
  const applied = rules(pair.pod, 'apply', { mode: 'tproxy', excludeOutboundPorts: [8000], ports: [80, 443, 8000] })
  assert.equal(applied.status, 0, applied.said)
  proxy = pair.pod.start(program('place-server', 'tproxy', 15001, PROXY_UID))
  const servers = [
    pair.pod.start(program('direct-server', 80, 'app'), { uid: APP_UID }),
    pair.peer.start(program('direct-server', 80, 'peer')),
    pair.peer.start(program('direct-server', 8000, 'peer')),
  ]
  await proxy.line((line) => line === `listening as ${PROXY_UID}`)
  for (const server of servers) await server.line((line) => line === 'listening')
})
after(async () => {
  if (skip === false) await pair.cleanup()
})

for (const family of ['v4', 'v6'] as const) {
  test(`${family}: inbound and outbound`, { skip }, () => {
    const [pod, peer] = [pair.pod[family], pair.peer[family]]
    assert.equal(dial(pair.peer, pod, 80), `via proxy: inbound ${pod} 80`)
    assert.equal(dial(pair.peer, pod, 443), `via proxy: inbound ${pod} 443`)
    assert.equal(dial(pair.pod, peer, 80), `via proxy: outbound ${peer} 80`)
    assert.equal(dial(pair.pod, peer, 443), `via proxy: outbound ${peer} 443`)
  })

  test(`${family}: what stays on the host, the proxy's own calls and excluded ports are left alone`, { skip }, () => {
    const [pod, peer] = [pair.pod[family], pair.peer[family]]
    assert.equal(dial(pair.pod, pod, 80), `direct app ${pod}`)
    assert.equal(dial(pair.pod, pod, 80, PROXY_UID), `direct app ${pod}`)
    assert.equal(dial(pair.pod, peer, 80, PROXY_UID), `direct peer ${pod}`)
    assert.equal(dial(pair.pod, peer, 8000), `direct peer ${pod}`)
  })

  test(`${family}: who dials the port of the proxy is refused`, { skip }, () => {
    const loopback = family === 'v4' ? '127.0.0.1' : '::1'
    assert.equal(dial(pair.peer, pair.pod[family], 15001), 'via proxy: refused destination_refused')
    assert.equal(dial(pair.pod, loopback, 15001), 'via proxy: refused loop_detected')
  })
}

test('IPv6 link-local keeps its interface: inbound is taken, and outbound, bound to it, never comes by lo', {
  skip,
}, () => {
  addLinkLocal(pair)
  assert.equal(dial(pair.peer, `${LINK_LOCAL.pod}%eth0`, 80), `via proxy: inbound ${LINK_LOCAL.pod}%eth0 80`)
  assert.match(dial(pair.pod, `${LINK_LOCAL.peer}%eth0`, 80), /^direct peer fe80::/)
})

test('what the kernel sends after the proxy closed a connection still goes to the peer', { skip }, async () => {
  const sink = pair.peer.start(program('counting-server', 443))
  await sink.line((line) => line === 'listening')
  // More than the peer's window and less than that and the send buffer: the rest leaves when the sender is gone.
  const sender = pair.pod.exec(program('send-and-exit', pair.peer.v4, 443, BYTES), { uid: PROXY_UID })
  assert.equal(sender.status, 0, sender.stderr)
  sink.child.kill('SIGUSR2')
  assert.equal(await sink.line((line) => line.startsWith('got ')), `got ${BYTES}`)
})
