/** SETTINGS of either peer, in the middle of a connection as well. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as h2 from '../../src/http/message/http2/frames.ts'
import { frame } from './frame-log.ts'
import { each, echo, toHttp2 } from './frame-origin.ts'
import { data, goaway, type Pair, request, settings, windowUpdate } from './frame-peer.ts'

test('a window that shrinks under what was sent becomes negative, and has to open above zero', async (t) => {
  const { dial } = await toHttp2(
    t,
    each((peer, { id }) => peer.respond(id, 200, 'x'.repeat(16_000))),
  )
  const client = await dial({ settings: [[h2.SETTINGS_INITIAL_WINDOW_SIZE, 1000]], credits: false })
  client.send(client.get(1))
  const stream = client.stream(1)
  await client.until('a window', () => stream.bytes === 1000)
  client.send(settings([h2.SETTINGS_INITIAL_WINDOW_SIZE, 400]))
  client.send(windowUpdate(1, 600))
  await client.roundTrip()
  assert.equal(stream.bytes, 1000)
  client.send(windowUpdate(1, 5))
  await client.until('five bytes', () => stream.bytes === 1005)
  client.send(settings([h2.SETTINGS_INITIAL_WINDOW_SIZE, 20_000]))
  await client.whole(1)
  assert.equal(stream.bytes, 16_000)
})

test('frames are no larger than the peer takes, and larger where it takes that', async (t) => {
  const sizes: number[] = []
  const { dial } = await toHttp2(
    t,
    each((peer, { id }) => peer.respond(id, 200, 'x'.repeat(16_000))),
  )
  const client = await dial()
  const onData = client.onData.bind(client)
  client.onData = (id, buf, start, end, flow, whole, last) => {
    sizes.push(end - start)
    return onData(id, buf, start, end, flow, whole, last)
  }
  client.send(client.get(1))
  await client.whole(1)
  assert.ok(Math.max(...sizes) <= h2.MIN_MAX_FRAME)
})

test('a long head goes on in CONTINUATION, also behind a change of the table', async (t) => {
  const long: Pair[] = Array.from({ length: 8 }, (_, i) => [`x-${i}`, `${i}`.repeat(5000)])
  const { dial } = await toHttp2(
    t,
    each((peer, stream) =>
      peer.respond(
        stream.id,
        200,
        '',
        stream.head!.filter(([name]) => name.startsWith('x-')),
      ),
    ),
  )
  const client = await dial({ settings: [[h2.SETTINGS_HEADER_TABLE_SIZE, 100]] })
  for (let id = 1; id <= 9; id += 2) {
    client.send(client.get(id, '/', long), settings([h2.SETTINGS_HEADER_TABLE_SIZE, id * 700]))
    const stream = await client.whole(id)
    for (const [name, value] of long) assert.equal(stream.header(name), value)
  }
  assert.equal(client.fault, 0)
})

test('a table of no bytes, set while a response is under way whose trailers may not stay', async (t) => {
  const { dial } = await toHttp2(
    t,
    each(async (peer, stream) => {
      peer.send(peer.block(stream.id, [[':status', '200'], ['x-a', 'b']]), data(stream.id, 'x')) // biome-ignore format: one head
      await peer.whole(stream.id)
      peer.send(peer.block(stream.id, [['authorization', 'no']], true))
    }),
  )
  const client = await dial()
  client.send(client.post(1))
  await client.head(1)
  client.send(settings([h2.SETTINGS_HEADER_TABLE_SIZE, 0]))
  client.send(data(1, '', true))
  const first = await client.whole(1)
  assert.equal(first.trailers, undefined)
  client.send(client.post(3), data(3, '', true))
  assert.equal((await client.whole(3)).header('x-a'), 'b')
  assert.equal(client.fault, 0, 'our decoder is in step')
})

test('fields that no table may keep stay so, both ways; cookies too', async (t) => {
  const secret: Pair[] = [
    ['x-secret', 'for your eyes only, and long enough to be kept otherwise', true],
    ['x-open', 'as often as you like'],
    ['cookie', 'a-long-cookie-that-would-be-worth-a-place=1', true],
  ]
  const { dial, origin } = await toHttp2(
    t,
    each((peer, { id }) => peer.respond(id, 200, '', [['x-token', 'for nobody else, as long as it lasts', true]])),
  )
  const client = await dial()
  for (const id of [1, 3, 5]) {
    client.send(client.get(id, '/', secret))
    const stream = await client.whole(id)
    assert.deepEqual(stream.head!.find(([name]) => name === 'x-token')?.[2], true)
    const seen = origin.connections[0]!.stream(id).head!
    assert.equal(seen.find(([name]) => name === 'x-secret')?.[2], true)
    assert.equal(seen.find(([name]) => name === 'cookie')?.[2], true)
    assert.equal(seen.find(([name]) => name === 'x-open')?.[2], false)
  }
})

test('behind the GOAWAY of a client its streams end, and new ones are refused', async (t) => {
  const { dial, origin } = await toHttp2(t, echo)
  const client = await dial()
  client.send(client.post(1))
  await client.roundTrip()
  client.send(goaway(0, h2.NO_ERROR), client.get(3), data(1, 'body', true))
  assert.equal((await client.whole(1)).body, 'POST / body')
  assert.equal((await client.whole(3)).reset, h2.REFUSED_STREAM)
  assert.equal(await client.ended(), 'fin')
  assert.equal(origin.requests, 1)
})

test('what is on the wire when a stream is refused does no harm', async (t) => {
  const { dial } = await toHttp2(
    t,
    each((peer, stream) => (stream.header(':path') === '/held' ? undefined : peer.respond(stream.id, 200, 'fine'))),
    { flags: { 'http2.maxStreams': '2' } },
  )
  const client = await dial()
  await client.roundTrip()
  assert.equal(client.settings.get(h2.SETTINGS_MAX_CONCURRENT_STREAMS), 2)
  client.send(client.post(1, '/held'), client.post(3, '/held'))
  for (let id = 5; id < 45; id += 2) {
    client.send(client.post(id), data(id, 'body'), frame(h2.PRIORITY, 0, id, Buffer.alloc(5)), windowUpdate(id, 5))
    client.send(data(id, 'more'), client.block(id, [['x', '1']], true))
  }
  for (let id = 5; id < 45; id += 2) assert.equal((await client.whole(id)).reset, h2.REFUSED_STREAM)
  client.send(data(1, '', true), data(3, '', true), client.block(45, request('GET'), true))
  await client.roundTrip()
  assert.equal(client.ending, 'open')
})
