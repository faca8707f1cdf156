import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createSecureServer } from 'node:http2'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { Agent } from 'undici'
import * as h2 from '../../src/http/message/http2/frames.ts'
import { toHttp2 } from '../http2/frame-origin.ts'
import { problemCode } from '../http2/frame-peer.ts'
import { Authority, noOpenssl } from '../support/certificates.ts'
import { field, Peer } from '../support/client.ts'
import { ok, type Script } from '../support/origin.ts'
import { chain, eventually, problem, TestProxy } from '../support/proxy.ts'
import { dispatched } from './dispatched.ts'

const GET = 'GET / HTTP/1.1\r\nHost: here\r\n\r\n'

/** Leaves every request to the test, in the order in which they came. */
function holding(held: Peer[]): Script {
  return async (peer) => {
    for (;;) {
      await peer.message()
      held.push(peer)
    }
  }
}

test('HTTP/1: no connection comes free in time: 503 queue_timeout, and the place is free again', async (t) => {
  const held: Peer[] = []
  const flags = { 'upstream.maxConnections': '1', 'upstream.maxPending': '1', 'timeouts.connectMs': '1000' }
  const { origin, proxy, dial } = await chain(t, holding(held), { flags })
  const [first, second, third] = [await dial(), await dial(), await dial()]
  first.send(GET)
  await eventually('the first request', () => held.length === 1)
  second.send(GET)
  const refused = await second.message()
  assert.equal(refused.status, 503)
  assert.equal(field(refused, 'retry-after'), '1')
  const { code, phase } = problem(refused.body)
  assert.deepEqual([code, phase], ['queue_timeout', 'queue'])
  const [seen] = await proxy.finished(1)
  assert.equal(seen!.error?.code, 'queue_timeout')
  assert.ok(seen!.phases.queue! >= 1_000_000, `${seen!.phases.queue} us`)
  third.send(GET)
  await eventually('one that waits', () => proxy.plane.active === 2)
  held[0]!.send(ok('first'))
  assert.equal((await first.message()).body, 'first')
  await eventually('the one that waited', () => held.length === 2)
  held[1]!.send(ok('third'))
  assert.equal((await third.message()).body, 'third')
  assert.equal(origin.connections.length, 1)
})

test('a wait that began under another timeout is bounded by the reloaded one', async (t) => {
  const held: Peer[] = []
  const { proxy, dial } = await chain(t, holding(held), { flags: { 'upstream.maxConnections': '1' } })
  const [first, second] = [await dial(), await dial()]
  first.send(GET)
  await eventually('the first request', () => held.length === 1)
  proxy.plane.setTimeouts({ ...proxy.plane.timeouts, connectMs: 86_400_000 })
  second.send(GET)
  await eventually('one that waits', () => proxy.plane.active === 2)
  proxy.plane.setTimeouts({ ...proxy.plane.timeouts, connectMs: 1 })
  assert.equal(problem((await second.message()).body).code, 'queue_timeout')
})

test('HTTP/2: no stream comes free in time: 503 queue_timeout', async (t) => {
  const { dial, origin, proxy } = await toHttp2(
    t,
    async (peer) => {
      for (;;) await peer.nextStream()
    },
    {
      peer: { settings: [[h2.SETTINGS_MAX_CONCURRENT_STREAMS, 1]] },
      flags: { 'upstream.maxConnections': '1', 'timeouts.connectMs': '1000' },
    },
  )
  const client = await dial()
  client.send(client.get(1))
  await eventually('the first stream', () => origin.requests === 1)
  await origin.connections[0]!.roundTrip()
  client.send(client.get(3))
  assert.equal(problemCode(await client.whole(3), 503), 'queue_timeout')
  assert.ok((await proxy.finished(1))[0]!.phases.queue! >= 1_000_000)
  origin.connections[0]!.respond(1, 200, 'fine')
  assert.equal((await client.whole(1)).body, 'fine')
})

test('HTTP/2: who waits for a connection that is being made may take as long as that may', {
  skip: noOpenssl,
}, async (t) => {
  const { cert, key } = new Authority().issue('localhost')
  const server = createSecureServer({ cert: readFileSync(cert), key: readFileSync(key) })
  server.on('stream', (stream) => {
    stream.respond()
    stream.end('fine')
  })
  // The TCP connection stands at once, the handshake takes longer than a connect may.
  const sockets: Socket[] = []
  const front = createServer((socket) => {
    sockets.push(socket)
    setTimeout(() => server.emit('connection', socket), 1000)
  })
  front.listen(0, '127.0.0.1')
  await once(front, 'listening')
  const flags = { 'upstream.protocol': 'h2', 'upstream.tls.verify': 'false', 'timeouts.connectMs': '500' }
  const proxy = await TestProxy.start(`https://127.0.0.1:${(front.address() as AddressInfo).port}`, { flags })
  const client = await Peer.connect(proxy.port)
  t.after(async () => {
    client.socket.destroy()
    await proxy.close()
    for (const socket of sockets) socket.destroy()
    front.close()
  })
  client.send(GET)
  const { status, body } = await client.message()
  assert.deepEqual([status, body], [200, 'fine'])
})

test('undici: no connection comes free in time: 503 queue_timeout, and what its queue still holds counts', async (t) => {
  const held: Peer[] = []
  const agent = new Agent({ connections: 1 })
  const flags = {
    'timeouts.connectMs': '500',
    'timeouts.dnsMs': '100',
    'timeouts.tlsMs': '100',
    'upstream.maxPending': '1',
  }
  const { proxy, dial } = await dispatched(t, holding(held), flags, () => agent)
  t.after(() => agent.destroy())
  const [first, second] = [await dial(), await dial()]
  first.send(GET)
  await eventually('the first request', () => held.length === 1)
  second.send(GET)
  assert.equal(problem((await second.message()).body).code, 'queue_timeout')
  assert.equal((await proxy.finished(1))[0]!.error?.phase, 'queue')
  second.send(GET)
  assert.equal(problem((await second.message()).body).code, 'overloaded')
  held[0]!.send(ok('first'))
  assert.equal((await first.message()).body, 'first')
  second.send(GET)
  await eventually('a place', () => held.length === 2)
  held[1]!.send(ok('second'))
  assert.equal((await second.message()).body, 'second')
})
