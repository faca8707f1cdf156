import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as h2 from '../../src/http/message/http2/frames.ts'
import { field, fields, type Message } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { frame } from './frame-log.ts'
import { toHttp1 } from './frame-origin.ts'
import { data, type FramePeer, type Pair, request } from './frame-peer.ts'

/** What a server of HTTP/1.1 gets for what `send` sends on stream 1. */
async function received(
  t: Parameters<typeof toHttp1>[0],
  send: (client: FramePeer) => void | Promise<void>,
): Promise<Message> {
  const origin = await Origin.answering(() => ok('fine'))
  const { dial } = await toHttp1(t, origin)
  const client = await dial()
  await send(client)
  const { status, body } = await client.whole(1)
  assert.equal(status, 200)
  assert.equal(body, 'fine')
  assert.equal(origin.requests.length, 1)
  return origin.requests[0]!
}

test('pseudo-header fields become the request line and Host, which comes first', async (t) => {
  const { start, headers } = await received(t, (client) =>
    client.send(
      client.block(1, [...request('GET', '/a/b?c=d&e', 'Shop.example:8080'), ['accept', '*/*'], ['x-empty', '']], true),
    ),
  )
  assert.equal(start, 'GET /a/b?c=d&e HTTP/1.1')
  assert.deepEqual(headers[0], ['host', 'Shop.example:8080'])
  assert.deepEqual(headers.slice(1, 3), [
    ['accept', '*/*'],
    ['x-empty', ''],
  ])
  for (const name of [':method', 'connection', 'transfer-encoding', 'content-length', 'te']) {
    assert.ok(!headers.some(([given]) => given.toLowerCase() === name), name)
  }
})

test('a Host field in the place of :authority, or beside it with the same name', async (t) => {
  const alone: Pair[] = [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', '/'],
    ['accept', 'a'],
    ['host', 'old.example'],
  ]
  assert.deepEqual(fields(await received(t, (client) => client.send(client.block(1, alone, true))), 'host'), [
    'old.example',
  ])
  const both: Pair[] = [...request('GET', '/', 'one.example'), ['host', 'ONE.example']]
  assert.deepEqual(fields(await received(t, (client) => client.send(client.block(1, both, true))), 'host'), [
    'one.example',
  ])
})

test('crumbs of a cookie become one field', async (t) => {
  const crumbs: Pair[] = [
    ['cookie', 'a=1'],
    ['x-between', '1'],
    ['cookie', 'b=2; c=3'],
    ['cookie', 'd=4'],
  ]
  const message = await received(t, (client) => client.send(client.get(1, '/', crumbs)))
  assert.deepEqual(fields(message, 'cookie'), ['a=1; b=2; c=3; d=4'])
})

test('TE says trailers to the next hop in the words of HTTP/1.1', async (t) => {
  const message = await received(t, (client) => client.send(client.get(1, '/', [['te', 'trailers']])))
  assert.equal(field(message, 'te'), 'trailers')
  assert.equal(field(message, 'connection'), 'TE')
})

test('methods of all kinds, asterisk, fields with bytes over 127', async (t) => {
  const pairs: Pair[] = [
    [':method', 'OPTIONS'],
    [':scheme', 'https'],
    [':authority', 'here'],
    [':path', '*'],
    ['x-latin', 'caf\xe9\tau lait'],
  ]
  const message = await received(t, (client) => client.send(client.block(1, pairs, true)))
  assert.equal(message.start, 'OPTIONS * HTTP/1.1')
  assert.equal(field(message, 'x-latin'), 'caf\xe9\tau lait')
  const own = await received(t, (client) => client.send(client.block(1, request('M-SEARCH'), true)))
  assert.equal(own.start, 'M-SEARCH / HTTP/1.1')
})

for (const method of ['GET', 'DELETE', 'POST', 'HEAD']) {
  test(`a body without a length is chunked: ${method}`, async (t) => {
    const origin = await Origin.answering(() => 'HTTP/1.1 204 No Content\r\n\r\n')
    const { dial } = await toHttp1(t, origin)
    const client = await dial()
    client.send(client.block(1, request(method)), data(1, 'hello '), data(1, 'world', true))
    assert.equal((await client.whole(1)).status, 204)
    const { body, headers, chunks } = origin.requests[0]!
    assert.equal(body, 'hello world')
    assert.equal(headers.filter(([name]) => name.toLowerCase() === 'transfer-encoding').length, 1)
    assert.ok(chunks.length >= 2)
    client.send(client.get(3))
    assert.equal((await client.whole(3)).status, 204)
    assert.equal(origin.requests[1]!.start, 'GET / HTTP/1.1', 'the body was not read as a request')
  })
}

test('a body with a length keeps it', async (t) => {
  const message = await received(t, (client) =>
    client.send(client.post(1, '/', [['content-length', '10']]), data(1, 'hello'), data(1, 'world', true)),
  )
  assert.equal(field(message, 'content-length'), '10')
  assert.equal(field(message, 'transfer-encoding'), undefined)
  assert.equal(message.body, 'helloworld')
})

test('an empty body ends with HEADERS, with DATA, or says that it has no bytes', async (t) => {
  const bare = await received(t, (client) => client.send(client.block(1, request('POST'), true)))
  assert.equal(field(bare, 'content-length'), undefined)
  const empty = await received(t, (client) => client.send(client.post(1), data(1, '', true)))
  assert.equal(empty.body, '')
  const stated = await received(t, (client) =>
    client.send(client.block(1, [...request('POST'), ['content-length', '0']], true)),
  )
  assert.equal(field(stated, 'content-length'), '0')
})

test('trailers stand behind the last chunk, those that may not are left out', async (t) => {
  const message = await received(t, (client) =>
    client.send(
      client.post(1),
      data(1, 'body'),
      client.block(
        1,
        [
          ['x-sum', '42'],
          ['authorization', 'no'],
        ],
        true,
      ),
    ),
  )
  assert.equal(message.body, 'body')
  assert.deepEqual(message.trailers, [['x-sum', '42']])
})

test('padding and priorities are taken off', async (t) => {
  const message = await received(t, (client) => {
    const block = client.fields([...request('POST', '/padded'), ['content-length', '5']])
    const headers = Buffer.concat([Buffer.of(3, 0, 0, 0, 0, 200), block, Buffer.from('xyz')])
    client.send(
      frame(h2.HEADERS, h2.END_HEADERS | h2.PADDED | h2.WITH_PRIORITY, 1, headers),
      frame(h2.PRIORITY, 0, 1, Buffer.of(0, 0, 0, 0, 7)),
      frame(h2.DATA, h2.PADDED, 1, Buffer.from('\x04helxxxx')),
      frame(h2.DATA, h2.PADDED, 1, Buffer.from('\x02xx')),
      frame(h2.DATA, h2.PADDED | h2.END_STREAM, 1, Buffer.from('\x00lo')),
    )
  })
  assert.equal(message.start, 'POST /padded HTTP/1.1')
  assert.equal(message.body, 'hello')
})

test('a head in many CONTINUATION frames, with 190 fields', async (t) => {
  const many: Pair[] = Array.from({ length: 190 }, (_, i) => [`x-field-${i}`, `value ${i}`])
  const message = await received(t, (client) => {
    const block = client.fields([...request('GET', '/many'), ...many])
    const pieces: Buffer[] = []
    const size = Math.ceil(block.length / 20)
    for (let at = 0; at < block.length; at += size) {
      const last = at + size >= block.length
      const flags = last ? h2.END_HEADERS : 0
      const payload = block.subarray(at, at + size)
      pieces.push(frame(at === 0 ? h2.HEADERS : h2.CONTINUATION, at === 0 ? flags | h2.END_STREAM : flags, 1, payload))
    }
    client.send(...pieces)
  })
  for (const [name, value] of many) assert.equal(field(message, name), value)
})

test('a body without a length is framed once more when it is sent once more', async (t) => {
  const got: Message[] = []
  const { dial } = await toHttp1(t, async (peer, index) => {
    for (let i = 0; ; i++) {
      got.push(await peer.message())
      if (index === 0 && i === 1) {
        peer.finish()
        return
      }
      peer.send(ok('fine'))
    }
  })
  const client = await dial()
  for (const id of [1, 3]) {
    client.send(Buffer.concat([client.block(id, request('PUT', '/'), false), data(id, 'body', true)]))
    assert.equal((await client.whole(id)).body, 'fine')
  }
  assert.equal(got.length, 3)
  for (const { headers, body } of got) {
    assert.equal(body, 'body')
    assert.equal(headers.filter(([name]) => name.toLowerCase() === 'transfer-encoding').length, 1)
  }
})
