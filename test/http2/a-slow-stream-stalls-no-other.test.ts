import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as h2 from '../../src/http/message/http2/frames.ts'
import { ok } from '../support/origin.ts'
import { eventually } from '../support/proxy.ts'
import { each, type FrameScript, toHttp1, toHttp2 } from './frame-origin.ts'
import { data, type FramePeer, rst, windowUpdate } from './frame-peer.ts'

const BIG = 'x'.repeat(300_000)
const OTHERS = 99

/** Answers /big with {@link BIG}, as far as windows let it, and everything else at once. */
const bigOnDemand: FrameScript = each(async (peer, stream) => {
  if (stream.header(':path') !== '/big') {
    peer.respond(stream.id, 200, 'fine')
    return
  }
  peer.send(peer.block(stream.id, [[':status', '200']]))
  for (let at = 0; at < BIG.length; ) {
    const window = 262_144 + stream.credit - at
    const size = Math.min(16_000, window, BIG.length - at)
    if (size <= 0) await peer.until('credit', () => 262_144 + stream.credit - at > 0)
    else peer.send(data(stream.id, BIG.slice(at, at + size), at + size === BIG.length))
    at += Math.max(size, 0)
  }
})

/** Stream 1 is not read; all the others are answered; then stream 1 is read after all. */
async function stalledDownload(client: FramePeer): Promise<void> {
  client.send(windowUpdate(0, 10_000_000))
  client.send(client.get(1, '/big'))
  const big = client.stream(1)
  await client.until('a full window', () => big.bytes === h2.DEFAULT_WINDOW)
  for (let i = 1; i <= OTHERS; i++) client.send(client.get(1 + 2 * i, `/${i}`))
  for (let i = 1; i <= OTHERS; i++) assert.equal((await client.whole(1 + 2 * i)).body, 'fine')
  assert.equal(big.bytes, h2.DEFAULT_WINDOW, 'no byte above the window')
  client.send(windowUpdate(1, 1))
  await client.until('one byte', () => big.bytes === h2.DEFAULT_WINDOW + 1)
  client.send(windowUpdate(1, 1_000_000))
  assert.equal((await client.whole(1)).bytes, BIG.length)
}

test('a download that is not read, from HTTP/2', async (t) => {
  const { dial, origin } = await toHttp2(t, bigOnDemand)
  await stalledDownload(await dial({ credits: false }))
  assert.equal(origin.connections.length, 1)
})

test('a download that is not read, from HTTP/1.1', async (t) => {
  const { dial } = await toHttp1(t, async (peer) => {
    for (;;) {
      const { start } = await peer.message()
      peer.send(start.startsWith('GET /big') ? ok(BIG) : ok('fine'))
    }
  })
  await stalledDownload(await dial({ credits: false }))
})

test('an upload that the upstream does not read, to HTTP/2', async (t) => {
  let release: () => void = () => {}
  const { dial, origin } = await toHttp2(
    t,
    each(async (peer, stream) => {
      if (stream.header(':path') === '/big') {
        release = () => peer.send(windowUpdate(stream.id, 1_000_000))
        await peer.whole(stream.id)
        peer.respond(stream.id, 200, String(stream.bytes))
      } else {
        await peer.whole(stream.id)
        peer.send(windowUpdate(0, stream.bytes))
        peer.respond(stream.id, 200, stream.body)
      }
    }),
    { peer: { credits: false } },
  )
  const client = await dial()
  client.send(client.post(1, '/big'))
  let sent = 0
  const room = (): number => 262_144 + client.stream(1).credit - sent
  while (room() > 0) {
    const size = Math.min(16_000, room())
    client.send(data(1, BIG.slice(0, size)))
    sent += size
    await client.roundTrip()
  }
  const upstream = origin.connections[0]!
  assert.equal(upstream.stream(1).bytes, h2.DEFAULT_WINDOW)
  upstream.send(windowUpdate(0, 1_000_000))
  for (let i = 1; i <= OTHERS; i++) client.send(client.post(1 + 2 * i), data(1 + 2 * i, `body ${i}`, true))
  for (let i = 1; i <= OTHERS; i++) assert.equal((await client.whole(1 + 2 * i)).body, `body ${i}`)
  assert.equal(upstream.stream(1).bytes, h2.DEFAULT_WINDOW, 'no byte above the window')
  release()
  client.send(data(1, '', true))
  assert.equal((await client.whole(1)).body, String(sent))
})

test('an upload that the upstream does not read, to HTTP/1.1', async (t) => {
  const { dial, origin } = await toHttp1(t, async (peer) => {
    for (;;) {
      const { start } = await peer.head()
      if (start.startsWith('POST /big')) {
        peer.socket.pause()
        return
      }
      peer.send(ok('fine'))
    }
  })
  const client = await dial()
  client.send(client.post(1, '/big', [['content-length', '100000000']]))
  let sent = 0
  const stream = client.stream(1)
  // Until the windows stay shut, since the upstream's socket is full.
  for (let quiet = 0; quiet < 20; ) {
    const size = Math.min(16_000, 262_144 + stream.credit - sent)
    if (size > 0) client.send(data(1, Buffer.alloc(size)))
    else await client.roundTrip()
    sent += Math.max(size, 0)
    quiet = size > 0 ? 0 : quiet + 1
  }
  for (let i = 1; i <= OTHERS; i++) client.send(client.get(1 + 2 * i))
  for (let i = 1; i <= OTHERS; i++) assert.equal((await client.whole(1 + 2 * i)).body, 'fine')
  assert.ok(origin.connections.length >= 2)
})

test('the window of the connection is shared in turns', async (t) => {
  const { dial } = await toHttp2(t, bigOnDemand)
  const client = await dial({ credits: false, settings: [[h2.SETTINGS_INITIAL_WINDOW_SIZE, 1_000_000]] })
  const streams = [1, 3, 5, 7]
  for (const id of streams) client.send(client.get(id, '/big'))
  const total = (): number => streams.reduce((sum, id) => sum + client.stream(id).bytes, 0)
  for (const id of streams) await client.head(id)
  await client.until('a full window', () => total() === h2.DEFAULT_WINDOW)
  for (let round = 1; round <= 12; round++) {
    client.send(windowUpdate(0, 50_000))
    await client.until('more', () => total() === h2.DEFAULT_WINDOW + round * 50_000)
  }
  for (const id of streams) assert.ok(client.stream(id).bytes >= 100_000, `stream ${id} has ${client.stream(id).bytes}`)
  client.send(windowUpdate(0, 2_000_000))
  for (const id of streams) assert.equal((await client.whole(id)).bytes, BIG.length)
})

test('requests of a client whose socket is full of a download wait for it to read', async (t) => {
  let stalled = false
  const { dial, origin } = await toHttp2(
    t,
    each(async (peer, stream) => {
      if (stream.header(':path') !== '/big') {
        await peer.whole(stream.id)
        peer.respond(stream.id, 200, `fine ${stream.body}`)
        return
      }
      peer.send(peer.block(stream.id, [[':status', '200']]))
      // Until the windows stay shut, since the client's socket is full.
      for (let sent = 0, quiet = 0; quiet < 20; ) {
        const size = Math.min(16_000, 262_144 + stream.credit - sent)
        if (size > 0) peer.send(data(stream.id, Buffer.alloc(size)))
        await peer.roundTrip()
        sent += Math.max(size, 0)
        quiet = size > 0 ? 0 : quiet + 1
      }
      stalled = true
    }),
  )
  const client = await dial({ keeps: false, settings: [[h2.SETTINGS_INITIAL_WINDOW_SIZE, 60_000_000]] })
  client.send(windowUpdate(0, 60_000_000), client.get(1, '/big'))
  await client.head(1)
  client.socket.pause()
  await eventually('a full socket', () => stalled)
  for (let id = 3; id < 150; id += 2) client.send(client.post(id), data(id, 'body', true))
  client.socket.resume()
  for (let id = 3; id < 150; id += 2) {
    const { status, bytes, reset } = await client.whole(id)
    assert.deepEqual({ status, bytes, reset }, { status: 200, bytes: 9, reset: undefined })
  }
  assert.equal(origin.requests, 75)
  client.send(rst(1, h2.CANCEL))
})

test('a client that reads none of its many downloads stalls no other client', async (t) => {
  let shut = false
  let sent = 0
  const { dial, origin } = await toHttp2(
    t,
    each(async (peer, stream) => {
      if (stream.header(':path') !== '/big') {
        peer.send(peer.block(stream.id, [[':status', '200']]))
        await peer.until(
          'room in the window',
          () => sent < h2.DEFAULT_WINDOW + peer.credit || peer !== origin.connections[0],
        )
        peer.send(data(stream.id, 'fine', true))
        return
      }
      peer.send(peer.block(stream.id, [[':status', '200']]))
      for (let at = 0, quiet = 0; quiet < 20; ) {
        const size = Math.min(16_000, 262_144 + stream.credit - at, h2.DEFAULT_WINDOW + peer.credit - sent)
        at += size
        sent += size
        quiet = size > 0 ? 0 : quiet + 1
        if (size > 0) peer.send(data(stream.id, Buffer.alloc(size)))
        await peer.roundTrip()
        if (size === 0 && quiet === 20 && sent === h2.DEFAULT_WINDOW + peer.credit) shut = true
      }
    }),
  )
  const reader = await dial()
  const greedy = await dial({ settings: [[h2.SETTINGS_INITIAL_WINDOW_SIZE, 0]] })
  for (let id = 1; id < 60; id += 2) greedy.send(greedy.get(id, '/big'))
  await eventually('a window that is shut', () => shut)
  for (let id = 1; id < 20; id += 2) reader.send(reader.get(id))
  for (let id = 1; id < 20; id += 2) assert.equal((await reader.whole(id)).body, 'fine')
  assert.equal(origin.connections.length, 2)
})
