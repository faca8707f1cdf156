import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as h2 from '../../src/http/message/http2/frames.ts'
import { frame } from './frame-log.ts'
import { each, echo, toHttp2 } from './frame-origin.ts'
import { type Pair, problemCode, request } from './frame-peer.ts'

const many = (count: number): Pair[] => Array.from({ length: count }, (_, i) => [`x-${i}`, 'v'])
const LARGE: Pair = ['x-large', 'v'.repeat(15_000)]

test('431 for more fields or bytes than the limits, whose table stays in step', async (t) => {
  const { dial, origin } = await toHttp2(t, echo, {
    flags: { 'limits.headFields': '50', 'limits.headBytes': '16384' },
  })
  const client = await dial()
  client.send(client.get(1, '/', many(60)))
  assert.equal(problemCode(await client.whole(1), 431), 'head_too_large')
  client.send(client.get(3, '/', [LARGE, ['x-more', 'v'.repeat(3000)]]))
  assert.equal(problemCode(await client.whole(3), 431), 'head_too_large')
  // Fields of the refused blocks are referred to by their place in the table.
  client.send(client.get(5, '/fine', many(40)))
  const stream = await client.whole(5)
  assert.equal(stream.body, 'GET /fine ')
  assert.equal(stream.reset, undefined)
  assert.equal(origin.requests, 1)
  assert.equal(client.settings.get(h2.SETTINGS_MAX_HEADER_LIST_SIZE), 16_384)
})

test('a body behind it is not wanted: NO_ERROR after the answer', async (t) => {
  const { dial } = await toHttp2(t, echo)
  const client = await dial()
  client.send(client.post(1, '/', many(300)))
  assert.equal(problemCode(await client.whole(1), 431), 'head_too_large')
  await client.until('a reset', () => client.stream(1).reset !== undefined)
  assert.equal(client.stream(1).reset, h2.NO_ERROR)
})

test('after ten the connection ends', async (t) => {
  const { dial, origin } = await toHttp2(t, echo)
  const client = await dial()
  for (let i = 0; i < 11; i++) client.send(client.get(1 + 2 * i, '/', many(250)))
  assert.notEqual(await client.ended(), 'open')
  assert.equal(client.goaways.at(-1)?.code, h2.ENHANCE_YOUR_CALM)
  assert.equal(client.stream(19).status, 431)
  assert.equal(client.stream(21).status, 0)
  assert.equal(origin.requests, 0)
})

test('a block that is too long on the wire ends the connection at once', async (t) => {
  const { dial } = await toHttp2(t, echo)
  const client = await dial()
  client.send(frame(h2.HEADERS, 0, 1, Buffer.alloc(16_384, 0x88)))
  for (let i = 0; i < 9; i++) client.send(frame(h2.CONTINUATION, 0, 1, Buffer.alloc(16_384, 0x88)))
  assert.notEqual(await client.ended(), 'open')
  assert.equal(client.goaways.at(-1)?.code, h2.ENHANCE_YOUR_CALM)
})

test('a path over the limit is 414', async (t) => {
  const { dial } = await toHttp2(t, echo, { flags: { 'limits.requestLineBytes': '4096' } })
  const client = await dial()
  client.send(client.block(1, request('GET', `/${'a'.repeat(5000)}`), true))
  assert.equal(problemCode(await client.whole(1), 414), 'target_too_long')
})

test('trailers over the limit are 400', async (t) => {
  const { dial } = await toHttp2(t, echo)
  const client = await dial()
  client.send(client.post(1), client.block(1, many(300), true))
  assert.equal(problemCode(await client.whole(1), 400), 'bad_trailer')
})

test('a head of an upstream over the limit is 502, and its connection goes on', async (t) => {
  const { dial, origin } = await toHttp2(
    t,
    each((peer, { id }) => peer.respond(id, 200, 'fine', id === 1 ? many(300) : many(50))),
  )
  const client = await dial()
  client.send(client.get(1), client.get(3))
  assert.equal(problemCode(await client.whole(1), 502), 'response_head_too_large')
  assert.equal((await client.whole(3)).body, 'fine')
  assert.equal(origin.connections.length, 1)
})
