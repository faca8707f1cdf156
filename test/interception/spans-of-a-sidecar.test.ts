/** Real rules, a real sidecar, a real OTLP receiver: what the spans say of TLS tunnels and of calls that belong together. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Authority, noOpenssl } from '../support/certificates.ts'
import { createPair, netnsUnavailable, type Pair } from './netns.ts'
import { APP_UID, program } from './programs.ts'
import { pathOf, type Sidecar, startSidecar } from './sidecar.ts'

const skip = netnsUnavailable() || noOpenssl
const BYTES = 50_000
let pair: Pair
let sidecar: Sidecar

before(async () => {
  if (skip !== false) return
  const { cert, key } = new Authority().issue('shop.example')
  pair = createPair()
  sidecar = await startSidecar(pair.pod)
  const servers = [
    pair.peer.start(program('tls-server', 443, cert, key)),
    pair.peer.start(program('http-server', 80, 'peer'), { uid: APP_UID }),
    pair.pod.start(program('calling-app', 80, `http://${pair.peer.v4}/called`), { uid: APP_UID }),
  ]
  for (const server of servers) await server.line((line) => line === 'listening')
})
after(async () => {
  if (skip === false) await pair.cleanup()
})

for (const [family, version] of [
  ['v4', 'TLSv1.3'],
  ['v6', 'TLSv1.3'],
  ['v4', 'TLSv1.2'],
] as const) {
  test(`${family}, ${version}: a TLS call goes through unread, and its span tells what shows from outside`, {
    skip,
  }, async () => {
    const name = `${family}.${version.toLowerCase()}.example`
    const client = program('tls-client', pair.peer[family], 443, name, BYTES, version)
    const { stdout, stderr } = pair.pod.exec(client, { uid: APP_UID })
    assert.notEqual(stdout, '', stderr)
    assert.deepEqual(JSON.parse(stdout), { got: BYTES, protocol: version, alpn: 'http/1.1' })

    const span = await sidecar.span(({ attributes }) => attributes['tls.client.server_name'] === name)
    const { attributes, durationUs } = span
    assert.deepEqual([span.name, span.kind, span.parentSpanId], ['tunnel tls', 'client', ''])
    assert.equal(attributes['hopscope.direction'], 'outbound')
    assert.equal(attributes['server.address'], name)
    assert.equal(attributes['server.port'], 443)
    assert.equal(attributes['network.peer.address'], pair.peer[family])
    assert.equal(attributes['network.peer.port'], 443)
    assert.equal(attributes['hopscope.tls.alpn_offered'], 'h2,http/1.1')
    assert.equal(attributes['error.type'], undefined)
    for (const way of ['from', 'to']) {
      const bytes = attributes[`hopscope.tunnel.bytes_${way}_client`] as number
      assert.ok(bytes > BYTES && bytes < BYTES + 5000, `${way} the client: ${bytes} bytes`)
    }
    const [connect, handshake] = ['connect', 'tls'].map((phase) => attributes[`hopscope.phase.${phase}_us`] as number)
    assert.ok(connect! > 0 && handshake! > 0, `${connect} ${handshake}`)
    assert.ok(connect! + handshake! < durationUs, `${connect} + ${handshake} of ${durationUs}`)
  })
}

/** Calls the app, and gives the spans of that call and of the one that it made. */
async function called(path: string): Promise<{
  inbound: Awaited<ReturnType<Sidecar['span']>>
  outbound: Awaited<ReturnType<Sidecar['span']>>
}> {
  const before = new Set(sidecar.spans().map(({ spanId }) => spanId))
  const answer = pair.peer.exec(program('http-call', `http://${pair.pod.v4}${path}`), { uid: APP_UID })
  assert.match(answer.stdout, /called 200/)
  const kind = (wanted: string): ReturnType<Sidecar['span']> =>
    sidecar.span((span) => !before.has(span.spanId) && span.kind === wanted)
  return { inbound: await kind('server'), outbound: await kind('client') }
}

test('a call of an app that passes only the request id on is a child of the call that caused it', {
  skip,
}, async () => {
  const { inbound, outbound } = await called('/copy')
  assert.equal(inbound.parentSpanId, '')
  assert.deepEqual([pathOf(inbound), pathOf(outbound)], ['/copy', '/called'])
  assert.equal(outbound.traceId, inbound.traceId)
  assert.equal(outbound.parentSpanId, inbound.spanId)
  assert.deepEqual(outbound.links, [])
})

test('a call of an app that passes nothing on has a trace of its own and a link that says it is a guess', {
  skip,
}, async () => {
  const { inbound, outbound } = await called('/plain')
  assert.equal(outbound.parentSpanId, '')
  assert.notEqual(outbound.traceId, inbound.traceId)
  const { traceId, spanId } = inbound
  assert.deepEqual(outbound.links, [{ traceId, spanId, attributes: { correlation: 'inferred' } }])
})
