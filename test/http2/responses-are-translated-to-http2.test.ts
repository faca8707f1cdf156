import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Field } from './fields.ts'
import { toHttp1 } from './frame-origin.ts'
import { type PeerStream, request } from './frame-peer.ts'

/** What a client of HTTP/2 gets where a server of HTTP/1.1 answers `text`, and closes if that says so. */
async function answered(t: TestContext, text: string, method = 'GET', close = false): Promise<PeerStream> {
  const { dial } = await toHttp1(t, async (peer) => {
    for (;;) {
      await peer.message()
      peer.send(text)
      if (close) peer.finish()
    }
  })
  const client = await dial()
  client.send(client.block(1, [...request(method), ['te', 'trailers']], true))
  const stream = await client.whole(1)
  assert.equal(stream.reset, undefined)
  return stream
}

const names = (fields: readonly Field[]): string[] => fields.map(([name]) => name)

test('status and fields, in lower case, without what belongs to the connection', async (t) => {
  const stream = await answered(
    t,
    'HTTP/1.1 404 Nowhere At All\r\nX-One: 1\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n' +
      'Content-Length: 4\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\nnope',
  )
  assert.equal(stream.status, 404)
  assert.equal(stream.body, 'nope')
  assert.equal(stream.head![0]![0], ':status')
  assert.equal(stream.header('content-length'), '4')
  const cookies = stream.head!.filter(([name]) => name === 'set-cookie').map(([, value]) => value)
  assert.deepEqual(cookies, ['a=1', 'b=2'])
  for (const name of ['connection', 'x-hop', 'keep-alive', 'transfer-encoding']) {
    assert.ok(!names(stream.head!).includes(name), name)
  }
})

test('a chunked body and its trailers', async (t) => {
  const stream = await answered(
    t,
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 42\r\n\r\n',
  )
  assert.equal(stream.body, 'hello world')
  assert.deepEqual(stream.trailers, [['x-sum', '42', false]])
  assert.equal(stream.header('content-length'), undefined)
})

test('a body that ends with the connection', async (t) => {
  const stream = await answered(t, 'HTTP/1.0 200 OK\r\n\r\nuntil the end', 'GET', true)
  assert.equal(stream.body, 'until the end')
  assert.equal(stream.header('content-length'), undefined)
})

for (const [what, status, method] of [
  ['HEAD', '200 OK', 'HEAD'],
  ['304', '304 Not Modified', 'GET'],
] as const) {
  test(`an answer without body keeps its Content-Length: ${what}`, async (t) => {
    const stream = await answered(t, `HTTP/1.1 ${status}\r\nContent-Length: 1234\r\nETag: "a"\r\n\r\n`, method)
    assert.equal(stream.header('content-length'), '1234')
    assert.equal(stream.bytes, 0)
    assert.ok(stream.ended)
  })
}

test('204, and a length of zero', async (t) => {
  const none = await answered(t, 'HTTP/1.1 204 No Content\r\n\r\n')
  assert.equal(none.status, 204)
  assert.equal(none.header('content-length'), undefined)
  const zero = await answered(t, 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  assert.equal(zero.header('content-length'), '0')
  assert.ok(zero.ended)
})

test('interim responses come before the head, each as a block of its own', async (t) => {
  const stream = await answered(
    t,
    'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  )
  assert.deepEqual(stream.interim, [
    [
      [':status', '103', false],
      ['link', '</a>', false],
    ],
    [[':status', '102', false]],
  ])
  assert.equal(stream.status, 200)
  assert.equal(stream.body, 'ok')
})

test('obs-text in a value stays as it is', async (t) => {
  const stream = await answered(t, 'HTTP/1.1 200 OK\r\nX-Latin: caf\xe9\r\nContent-Length: 0\r\n\r\n')
  assert.equal(stream.header('x-latin'), 'caf\xe9')
})
