/** Faults of an HTTP/2 upstream: 502 while nothing of the answer left, a reset after that; never a clean end. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as h2 from '../../src/http/message/http2/frames.ts'
import { frame } from './frame-log.ts'
import { each, echo, toHttp2 } from './frame-origin.ts'
import { data, type FramePeer, type Pair, problemCode, rst, windowUpdate } from './frame-peer.ts'

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')
const OK: Pair = [':status', '200']

/** What is wrong, and the blocks in place of the head. */
const HEADS: readonly (readonly [string, readonly Pair[]])[] = [
  ['no :status', [['x', '1']]],
  [':status twice', [OK, OK]],
  [':status that is no number', [[':status', 'ok']]],
  [':status under 100', [[':status', '099']]],
  [':status of 600', [[':status', '600']]],
  [':status of four digits', [[':status', '2000']]],
  [':status behind a field', [['x', '1'], OK]],
  ['101', [[':status', '101']]],
  ['a pseudo-header field of requests', [OK, [':path', '/']]],
  ['a name in upper case', [OK, ['X-Upper', '1']]],
  ['an empty name', [OK, ['', '1']]],
  ['CR LF in a value', [OK, ['x', 'a\r\nEvil: 1']]],
  ['NUL in a value', [OK, ['x', 'a\0b']]],
  ['CR in a value', [OK, ['x', 'a\rb']]],
  ['connection', [OK, ['connection', 'close']]],
  ['transfer-encoding', [OK, ['transfer-encoding', 'chunked']]],
  ['content-length twice', [OK, ['content-length', '1'], ['content-length', '1']]], // biome-ignore format: one row
  ['content-length that is no number', [OK, ['content-length', 'x']]],
]

test('malformed heads are 502', async (t) => {
  let head: readonly Pair[] = []
  const { dial, origin } = await toHttp2(
    t,
    each((peer, { id }) => peer.send(peer.block(id, head))),
  )
  const client = await dial()
  let id = 1
  for (const [what, pairs] of HEADS) {
    await t.test(what, async () => {
      head = pairs
      client.send(client.get(id))
      assert.equal(problemCode(await client.whole(id), 502), 'bad_response')
      const upstream = origin.connections.at(-1)!
      const stream = upstream.stream(id)
      await upstream.until('a reset', () => stream.reset !== undefined)
    })
    id += 2
  }
  assert.equal(origin.connections.length, 1, 'one stream at fault does not end the connection')
})

test('a body before the head, and an interim response that ends the stream', async (t) => {
  const { dial } = await toHttp2(
    t,
    each((peer, { id }) => {
      if (id === 1) peer.send(data(id, 'early'))
      else peer.send(peer.block(id, [[':status', '100']], true))
    }),
  )
  const client = await dial()
  client.send(client.get(1), client.get(3))
  assert.equal(problemCode(await client.whole(1), 502), 'bad_response')
  assert.equal(problemCode(await client.whole(3), 502), 'bad_response')
})

test('more than eight interim responses', async (t) => {
  const { dial } = await toHttp2(
    t,
    each((peer, { id }) => {
      for (let i = 0; i < 9; i++) peer.send(peer.block(id, [[':status', '103'], ['x', String(i)]])) // biome-ignore format: one head
    }),
  )
  const client = await dial()
  client.send(client.get(1))
  const stream = await client.whole(1)
  assert.equal(stream.interim.length, 8)
  assert.equal(problemCode(stream, 502), 'too_many_informational')
})

const AFTER: readonly (readonly [string, (peer: FramePeer, id: number) => Uint8Array])[] = [
  ['trailers that do not end the stream', (peer, id) => peer.block(id, [['x', '1']])],
  ['trailers with a pseudo-header field', (peer, id) => peer.block(id, [[':status', '200']], true)],
  ['trailers with CR LF', (peer, id) => peer.block(id, [['x', 'a\r\nb']], true)],
  ['RST_STREAM', (_peer, id) => rst(id, h2.INTERNAL_ERROR)],
  ['a window that overflows', (_peer, id) => windowUpdate(id, h2.MAX_31)],
]

for (const [what, frames] of AFTER) {
  test(`behind the head: ${what}: the stream is reset, others go on`, async (t) => {
    const { dial, dialHttp1, proxy } = await toHttp2(
      t,
      each((peer, stream) => {
        if (stream.header(':path') === '/good') peer.respond(stream.id, 200, 'fine')
        else peer.send(peer.block(stream.id, [OK]), data(stream.id, 'some'), frames(peer, stream.id))
      }),
    )
    const client = await dial()
    client.send(client.get(1, '/bad'), client.get(3, '/good'))
    const stream = await client.whole(1)
    assert.equal(stream.ended, false)
    assert.equal(stream.reset, h2.INTERNAL_ERROR)
    assert.equal((await client.whole(3)).body, 'fine')
    const old = await dialHttp1()
    old.send('GET /bad HTTP/1.1\r\nHost: here\r\n\r\n')
    assert.equal(await old.ended(), 'reset')
    const failed = (await proxy.finished(3)).filter(({ error }) => error !== undefined)
    assert.equal(failed.length, 2)
    for (const { error } of failed) assert.match(error!.code, /^(bad_response|stream_reset)$/)
  })
}

/** What ends the whole connection, and the code of our GOAWAY. */
const FATAL: readonly (readonly [string, (id: number) => Uint8Array, number])[] = [
  ['PUSH_PROMISE', (id) => frame(h2.PUSH_PROMISE, h2.END_HEADERS, id, latin1('\0\0\0\x02')), h2.PROTOCOL_ERROR],
  [
    'HEADERS on a stream that we did not open',
    () => frame(h2.HEADERS, h2.END_HEADERS, 2, latin1('\x88')),
    h2.PROTOCOL_ERROR,
  ],
  ['DATA on a stream that is idle', () => data(101, 'x'), h2.PROTOCOL_ERROR],
  [
    'a header block that is none',
    (id) => frame(h2.HEADERS, h2.END_HEADERS, id, latin1('\xff\xff')),
    h2.COMPRESSION_ERROR,
  ],
  ['a frame that is too large', (id) => frame(h2.DATA, 0, id, Buffer.alloc(16_385)), h2.FRAME_SIZE_ERROR],
  ['WINDOW_UPDATE 0', () => windowUpdate(0, 0), h2.PROTOCOL_ERROR],
  ['a connection window that overflows', () => windowUpdate(0, h2.MAX_31), h2.FLOW_CONTROL_ERROR],
  ['HEADERS that are interrupted', (id) => Buffer.concat([frame(h2.HEADERS, 0, id, latin1('\x88')), data(id, '')]), h2.PROTOCOL_ERROR], // biome-ignore format: one row
  ['SETTINGS that may not be', () => frame(h2.SETTINGS, 0, 0, latin1('\0\x04\xff\xff\xff\xff')), h2.FLOW_CONTROL_ERROR],
  ['bytes of HTTP/1.1', () => Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), h2.FRAME_SIZE_ERROR],
]

for (const [what, frames, code] of FATAL) {
  test(`the connection ends for ${what}; requests on it are 502, the next one has a new connection`, async (t) => {
    const { dial, origin, proxy } = await toHttp2(t, (peer, index) =>
      index > 0
        ? echo(peer, index)
        : peer.nextStream().then(async ({ id }) => {
            await peer.nextStream()
            peer.send(Buffer.from(frames(id)))
          }),
    )
    const client = await dial()
    client.send(client.get(1), client.get(3))
    for (const id of [1, 3]) assert.equal(problemCode(await client.whole(id), 502), 'bad_response')
    const upstream = origin.connections[0]!
    await upstream.until('GOAWAY', () => upstream.goaways.length > 0)
    assert.equal(upstream.goaways.at(-1)!.code, code)
    assert.notEqual(await upstream.ended(), 'open')
    client.send(client.get(5))
    assert.equal((await client.whole(5)).body, 'GET / ')
    assert.match((await proxy.finished(3))[0]!.error!.detail, /broke a rule of HTTP\/2/)
  })
}
