import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import * as h2 from '../../src/http/message/http2/frames.ts'
import { eventually } from '../support/proxy.ts'
import { toHttp2 } from './frame-origin.ts'
import { type FramePeer, problemCode, rst, settings } from './frame-peer.ts'

/** Streams that were opened on `peer` and have no answer yet. */
const open = (peer: FramePeer): number => [...peer.streams.values()].filter(({ reset }) => reset === undefined).length

test('what the upstream allows is never exceeded; who finds no place waits for one', async (t) => {
  let most = 0
  const { dial, origin } = await toHttp2(
    t,
    async (peer) => {
      let active = 0
      for (;;) {
        const { id } = await peer.nextStream()
        most = Math.max(most, ++active)
        void turn().then(() => {
          active--
          peer.respond(id, 200, 'fine')
        })
      }
    },
    {
      peer: { settings: [[h2.SETTINGS_MAX_CONCURRENT_STREAMS, 3]] },
      flags: { 'upstream.maxConnections': '1' },
    },
  )
  const client = await dial()
  client.send(client.get(1))
  await client.whole(1)
  for (let i = 1; i <= 50; i++) client.send(client.get(1 + 2 * i))
  for (let i = 1; i <= 50; i++) assert.equal((await client.whole(1 + 2 * i)).body, 'fine')
  assert.equal(origin.connections.length, 1)
  assert.equal(most, 3)
})

test('a full connection is joined by another one', async (t) => {
  const { dial, origin } = await toHttp2(
    t,
    async (peer) => {
      for (;;) await peer.nextStream()
    },
    { peer: { settings: [[h2.SETTINGS_MAX_CONCURRENT_STREAMS, 2]] } },
  )
  const client = await dial()
  client.send(client.get(1))
  await eventually('the first stream', () => origin.requests === 1)
  await origin.connections[0]!.roundTrip()
  for (let i = 1; i <= 5; i++) client.send(client.get(1 + 2 * i))
  await eventually('all streams', () => origin.requests === 6)
  assert.deepEqual(origin.connections.map(open), [2, 2, 2])
})

test('streams that were begun before the upstream said its limit are refused, and wait then', async (t) => {
  const { dial, origin, proxy } = await toHttp2(
    t,
    async (peer) => {
      for (;;) {
        const { id } = await peer.nextStream()
        if (id > 3 && id <= 19) peer.send(rst(id, h2.REFUSED_STREAM))
        else peer.respond(id, 200, 'fine')
      }
    },
    { peer: { settings: [[h2.SETTINGS_MAX_CONCURRENT_STREAMS, 2]] }, flags: { 'upstream.maxConnections': '1' } },
  )
  const client = await dial()
  for (let i = 0; i < 10; i++) client.send(client.get(1 + 2 * i))
  for (let i = 0; i < 10; i++) assert.equal((await client.whole(1 + 2 * i)).body, 'fine')
  assert.equal(origin.requests, 18)
  assert.equal((await proxy.finished(10)).filter(({ attempts }) => attempts === 2).length, 8)
})

test('a limit that is raised lets those in who wait', async (t) => {
  const { dial, origin } = await toHttp2(
    t,
    async (peer) => {
      for (;;) await peer.nextStream()
    },
    {
      peer: { settings: [[h2.SETTINGS_MAX_CONCURRENT_STREAMS, 1]] },
      flags: { 'upstream.maxConnections': '1', 'upstream.maxPending': '2' },
    },
  )
  const client = await dial()
  client.send(client.get(1))
  await eventually('the first stream', () => origin.requests === 1)
  const upstream = origin.connections[0]!
  await upstream.roundTrip()
  client.send(client.get(3), client.get(5))
  await client.roundTrip()
  client.send(client.get(7))
  assert.equal(problemCode(await client.whole(7), 503), 'overloaded')
  assert.equal(origin.requests, 1)
  upstream.send(settings([h2.SETTINGS_MAX_CONCURRENT_STREAMS, 3]))
  await eventually('all streams', () => origin.requests === 3)
  upstream.respond(1, 200)
  await client.whole(1)
})

test('an upstream that takes no streams: 503 in time, and no connection for each request', async (t) => {
  const { dial, origin, proxy } = await toHttp2(
    t,
    async (peer) => {
      for (;;) {
        const { id } = await peer.nextStream()
        peer.send(rst(id, h2.REFUSED_STREAM))
      }
    },
    {
      peer: { settings: [[h2.SETTINGS_MAX_CONCURRENT_STREAMS, 0]] },
      flags: { 'timeouts.connectMs': '1200' },
    },
  )
  const client = await dial()
  for (let i = 0; i < 4; i++) {
    client.send(client.get(1 + 2 * i))
    await client.roundTrip()
  }
  for (let i = 0; i < 4; i++) assert.equal(problemCode(await client.whole(1 + 2 * i), 503), 'queue_timeout')
  assert.ok(origin.connections.length <= 2, `${origin.connections.length} connections`)
  for (const { error, durationUs } of await proxy.finished(4)) {
    assert.match(error!.detail, /takes no streams/)
    assert.ok(durationUs > 1_100_000 && durationUs < 5_000_000, `${durationUs}`)
  }
})

test('an upstream that takes streams again gets those who wait for it', async (t) => {
  const { dial, origin } = await toHttp2(
    t,
    async (peer) => {
      for (;;) {
        const { id } = await peer.nextStream()
        if (id === 1 && origin.connections[0] === peer) peer.send(rst(id, h2.REFUSED_STREAM))
        else peer.respond(id, 200, 'fine')
      }
    },
    { peer: { settings: [[h2.SETTINGS_MAX_CONCURRENT_STREAMS, 0]] } },
  )
  const client = await dial()
  client.send(client.get(1))
  await eventually('the refusal', () => origin.requests === 1)
  await client.roundTrip()
  for (const peer of origin.connections) peer.send(settings([h2.SETTINGS_MAX_CONCURRENT_STREAMS, 5]))
  assert.equal((await client.whole(1)).body, 'fine')
})

test('one who waits and leaves gives up its place', async (t) => {
  const { dial, origin } = await toHttp2(
    t,
    async (peer) => {
      for (;;) await peer.nextStream()
    },
    {
      peer: { settings: [[h2.SETTINGS_MAX_CONCURRENT_STREAMS, 1]] },
      flags: { 'upstream.maxConnections': '1', 'upstream.maxPending': '1' },
    },
  )
  const client = await dial()
  client.send(client.get(1))
  await eventually('the first stream', () => origin.requests === 1)
  const upstream = origin.connections[0]!
  await upstream.roundTrip()
  client.send(client.get(3, '/left'))
  await client.roundTrip()
  client.send(rst(3, h2.CANCEL), client.get(5, '/stays'))
  await client.roundTrip()
  upstream.respond(1, 200)
  await eventually('the next stream', () => origin.requests === 2)
  assert.equal(upstream.stream(3).header(':path'), '/stays')
})
