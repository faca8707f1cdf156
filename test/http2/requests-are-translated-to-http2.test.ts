import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { each, toHttp2 } from './frame-origin.ts'
import type { PeerStream } from './frame-peer.ts'

/** What a server of HTTP/2 gets for `text` from a client of HTTP/1.1; the client's answer must be whole. */
async function received(t: TestContext, text: string, flags: Record<string, string> = {}): Promise<PeerStream> {
  const { dialHttp1, origin } = await toHttp2(
    t,
    each(async (peer, { id }) => {
      const stream = await peer.whole(id)
      peer.respond(id, 200, stream.header(':method') === 'HEAD' ? '' : 'fine', [['content-length', '4']])
    }),
    { flags },
  )
  const client = await dialHttp1()
  client.send(text)
  const answer = await client.message({ bodiless: text.startsWith('HEAD') })
  assert.equal(answer.status, 200)
  return origin.connections[0]!.stream(1)
}

const names = (stream: PeerStream): string[] => stream.head!.map(([name]) => name)

test('the request line and Host become pseudo-header fields, before all others', async (t) => {
  const stream = await received(t, 'GET /a/b?c=d HTTP/1.1\r\nX-One: 1\r\nHost: Shop.example:81\r\nAccept: */*\r\n\r\n')
  assert.deepEqual(stream.head!.slice(0, 6), [
    [':method', 'GET', false],
    [':scheme', 'http', false],
    [':authority', 'Shop.example:81', false],
    [':path', '/a/b?c=d', false],
    ['x-one', '1', false],
    ['accept', '*/*', false],
  ])
  assert.ok(!names(stream).includes('host'))
  assert.ok(stream.ended)
})

test('what belongs to the connection stays there; names are lower case', async (t) => {
  const stream = await received(
    t,
    'GET / HTTP/1.1\r\nHost: here\r\nConnection: keep-alive, X-Hop, TE\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\n' +
      'Proxy-Connection: keep-alive\r\nTE: gzip;q=0.5, trailers\r\nUpgrade: foo\r\nX-MiXed: Case\r\n\r\n',
  )
  const gone = ['connection', 'keep-alive', 'x-hop', 'proxy-connection', 'upgrade', 'transfer-encoding', 'host']
  for (const name of gone) assert.ok(!names(stream).includes(name), name)
  assert.equal(stream.header('x-mixed'), 'Case')
  assert.equal(stream.header('te'), 'trailers')
})

test('an absolute target gives path and authority', async (t) => {
  const stream = await received(t, 'GET http://other.example/p?q HTTP/1.1\r\nHost: other.example\r\n\r\n')
  assert.equal(stream.header(':authority'), 'other.example')
  assert.equal(stream.header(':path'), '/p?q')
  assert.equal(stream.header(':scheme'), 'http')
})

test('HTTP/1.0 without Host gets the authority of the upstream', async (t) => {
  const stream = await received(t, 'GET / HTTP/1.0\r\n\r\n')
  assert.match(stream.header(':authority')!, /^127\.0\.0\.1:\d+$/)
})

test('a chunked body with trailers', async (t) => {
  const stream = await received(
    t,
    'POST / HTTP/1.1\r\nHost: here\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n' +
      '5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nX-Sum: 42\r\nHost: no\r\n\r\n',
  )
  assert.equal(stream.body, 'hello world')
  assert.deepEqual(stream.trailers, [['x-sum', '42', false]])
  assert.equal(stream.header('content-length'), undefined)
  assert.ok(!names(stream).includes('transfer-encoding'))
})

test('trailers of which none may stay end the stream with DATA', async (t) => {
  const stream = await received(
    t,
    'POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nCookie: a=1\r\n\r\n',
  )
  assert.equal(stream.body, 'hello')
  assert.equal(stream.trailers, undefined)
  assert.ok(stream.ended)
})

test('a body with a length keeps it, and an empty one says so', async (t) => {
  const stream = await received(t, 'PUT / HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n\r\nhello')
  assert.equal(stream.header('content-length'), '5')
  assert.equal(stream.body, 'hello')
  const empty = await received(t, 'POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n')
  assert.equal(empty.header('content-length'), '0')
  assert.equal(empty.data.length, 0)
})

test('a GET with a body', async (t) => {
  const stream = await received(t, 'GET / HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n\r\nhello')
  assert.equal(stream.header(':method'), 'GET')
  assert.equal(stream.body, 'hello')
})

test('HEAD, and OPTIONS with an asterisk', async (t) => {
  assert.equal((await received(t, 'HEAD /h HTTP/1.1\r\nHost: here\r\n\r\n')).header(':method'), 'HEAD')
  const options = await received(t, 'OPTIONS * HTTP/1.1\r\nHost: here\r\n\r\n')
  assert.equal(options.header(':path'), '*')
})
