/** Real REDIRECT rules, a listener as uid 1337, and who calls whom: direction, destination and refusals. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { addLinkLocal, createPair, LINK_LOCAL, netnsUnavailable, type Pair, type Running } from './netns.ts'
import { APP_UID, dial, PROXY_UID, program, rules } from './programs.ts'

const skip = netnsUnavailable()
let pair: Pair
let proxy: Running

before(async () => {
  if (skip !== false) return
  pair = createPair()
  assert.equal(rules(pair.pod, 'apply', { excludeOutboundPorts: [8000], ports: [80, 443, 8000] }).status, 0)
  proxy = pair.pod.start(program('place-server', 'redirect', 15001), { uid: PROXY_UID })
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
  test(`${family}: a peer that calls the app is inbound`, { skip }, () => {
    const pod = pair.pod[family]
    assert.equal(dial(pair.peer, pod, 80), `via proxy: inbound ${pod} 80`)
    assert.equal(dial(pair.peer, pod, 443), `via proxy: inbound ${pod} 443`)
  })

  test(`${family}: the app that calls a peer is outbound`, { skip }, () => {
    const peer = pair.peer[family]
    assert.equal(dial(pair.pod, peer, 80), `via proxy: outbound ${peer} 80`)
    assert.equal(dial(pair.pod, peer, 443), `via proxy: outbound ${peer} 443`)
  })

  test(`${family}: the app that calls itself is left alone`, { skip }, () => {
    const loopback = family === 'v4' ? '127.0.0.1' : '::1'
    assert.equal(dial(pair.pod, loopback, 80), `direct app ${loopback}`)
    assert.equal(dial(pair.pod, pair.pod[family], 80), `direct app ${pair.pod[family]}`)
  })

  test(`${family}: the calls of the proxy itself are left alone, to the app and to a peer`, { skip }, () => {
    assert.equal(dial(pair.pod, pair.pod[family], 80, PROXY_UID), `direct app ${pair.pod[family]}`)
    assert.equal(dial(pair.pod, pair.peer[family], 80, PROXY_UID), `direct peer ${pair.pod[family]}`)
  })

  test(`${family}: an excluded port is left alone`, { skip }, () => {
    assert.equal(dial(pair.pod, pair.peer[family], 8000), `direct peer ${pair.pod[family]}`)
  })

  test(`${family}: a peer that dials the port of the proxy is refused`, { skip }, () => {
    assert.equal(dial(pair.peer, pair.pod[family], 15001), 'via proxy: refused destination_refused')
  })

  test(`${family}: the app that dials the port of the proxy is refused`, { skip }, () => {
    const loopback = family === 'v4' ? '127.0.0.1' : '::1'
    assert.equal(dial(pair.pod, loopback, 15001), 'via proxy: refused loop_detected')
    assert.equal(dial(pair.pod, pair.pod[family], 15001), 'via proxy: refused destination_refused')
  })

  test(`${family}: a peer that would be relayed to another host is refused`, { skip }, () => {
    // The peer routes a foreign address through the pod, whose PREROUTING redirects it like any other.
    const foreign = family === 'v4' ? '10.99.0.1' : 'fd99::1'
    const bits = family === 'v4' ? 32 : 128
    const route = [
      'ip',
      `-${family === 'v4' ? 4 : 6}`,
      'route',
      'replace',
      `${foreign}/${bits}`,
      'via',
      pair.pod[family],
    ]
    assert.equal(pair.peer.exec(route).status, 0)
    assert.equal(dial(pair.peer, foreign, 80), 'via proxy: refused destination_refused')
  })
}

test('IPv6 link-local is left alone both ways', { skip }, () => {
  addLinkLocal(pair)
  assert.match(dial(pair.peer, `${LINK_LOCAL.pod}%eth0`, 80), /^direct app fe80::/)
  assert.match(dial(pair.pod, `${LINK_LOCAL.peer}%eth0`, 80), /^direct peer fe80::/)
})

test('exclusions by uid and by network are left alone, each in its family', { skip }, () => {
  const apply = (more: object): void => assert.equal(rules(pair.pod, 'apply', more).status, 0)
  apply({ excludeUids: [4242] })
  assert.equal(dial(pair.pod, pair.peer.v4, 80, 4242), `direct peer ${pair.pod.v4}`)
  assert.equal(dial(pair.pod, pair.peer.v6, 80, 4243), `via proxy: outbound ${pair.peer.v6} 80`)
  apply({ excludeOutboundCidrs: ['10.77.0.0/24'] })
  assert.equal(dial(pair.pod, pair.peer.v4, 80), `direct peer ${pair.pod.v4}`)
  assert.equal(dial(pair.pod, pair.peer.v6, 80), `via proxy: outbound ${pair.peer.v6} 80`)
  apply({ excludeInboundPorts: [80] })
  assert.equal(dial(pair.peer, pair.pod.v4, 80), `direct app ${pair.peer.v4}`)
  assert.equal(dial(pair.peer, pair.pod.v6, 443), `via proxy: inbound ${pair.pod.v6} 443`)
})
