/** security.md §2.1: what is taken goes to the origin with framing of our own, and nothing in it becomes a request. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { statusesIn } from '../support/raw-peers.ts'
import { answerOk, Bench } from './bench.ts'

let bench: Bench
before(async () => {
  bench = await Bench.start({ 'forwarded.mode': 'off' })
})
after(() => bench.close())

const ends = (tail: string) => (received: string) => received.endsWith(tail)
const headComplete = ends('\r\n\r\n')

const SMUGGLED = 'GET /smug HTTP/1.1\r\nFoo: x'

for (const method of ['GET', 'HEAD', 'OPTIONS', 'DELETE', 'TRACE']) {
  test(`row 4 (CL.0): the body of a ${method} is framed by Content-Length`, async () => {
    const request = `${method} /a HTTP/1.1\r\nHost: a\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`
    assert.equal(await bench.forwards(request, ends(SMUGGLED)), request)
  })

  test(`row 6: the body of a ${method} is framed by chunks`, async () => {
    const body = '21\r\nGET /smug HTTP/1.1\r\nHost: x\r\n\r\n..\r\n0\r\n\r\n'
    const request = `${method} / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${body}`
    assert.equal(await bench.forwards(request, ends('0\r\n\r\n')), request)
  })
}

test('row 3: a Transfer-Encoding in other case is chunked, and is written by us', async () => {
  const sent = await bench.forwards(
    'POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding:  CHUNKED \r\n\r\n5\r\nhello\r\n0\r\n\r\n',
    ends('0\r\n\r\n'),
  )
  assert.equal(sent, 'POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n')
})

test('row 3: Transfer_Encoding is another field', async () => {
  const request = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello'
  assert.equal(await bench.forwards(request, ends('hello')), request)
})

test('row 7: leading zeros of a length are dropped', async () => {
  const sent = await bench.forwards('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 005\r\n\r\nhello', ends('hello'))
  assert.equal(sent, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello')
})

test('row 10: chunks are written by us, whatever their lines looked like', async () => {
  const sent = await bench.forwards(
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0000A\r\nhelloworld\r\n000\r\n\r\n',
    ends('\r\n0\r\n\r\n'),
  )
  assert.match(sent, /\r\n\r\na\r\nhelloworld\r\n0\r\n\r\n$/)
})

test('row 11: extensions are dropped, on the last chunk too', async () => {
  const sent = await bench.forwards(
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b;c="d\\""\r\nhello\r\n0;e\r\n\r\n',
    ends('\r\n0\r\n\r\n'),
  )
  assert.match(sent, /\r\n\r\n5\r\nhello\r\n0\r\n\r\n$/)
})

test('row 12: trailers that route, authorise or frame are dropped, others stay', async () => {
  const trailers = 'Host: b\r\nAuthorization: x\r\nX-Sum: 1\r\nCookie: c\r\nX-Forwarded-For: 1.1.1.1\r\nTE: x\r\n'
  const sent = await bench.forwards(
    `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n0\r\n${trailers}\r\n`,
    ends('\r\n\r\n0\r\nX-Sum: 1\r\n\r\n'),
  )
  assert.match(sent, /\r\nTrailer: X-Sum\r\n\r\n0\r\nX-Sum: 1\r\n\r\n$/)
})

test('row 14: obs-text and tabs in values go byte for byte, also where Latin-1 calls them white space', async () => {
  const request = 'GET / HTTP/1.1\r\nHost: a\r\nX-A: \x85b\tc\xa0\r\nX-B: \xe2\x82\xac\xff\r\n\r\n'
  assert.equal(await bench.forwards(request, headComplete), request)
})

test('order, case, duplicates and empty values are kept', async () => {
  const request =
    'GET / HTTP/1.1\r\nuser-AGENT: x\r\nX-a: 1\r\nHOST: a\r\nx-A: 2\r\nX-Empty: \r\nCookie: a\r\nCookie: b\r\n\r\n'
  assert.equal(await bench.forwards(request, headComplete), request)
})

test('white space around a value is written as one space', async () => {
  const sent = await bench.forwards('GET / HTTP/1.1\r\nHost:a\r\nX-A:\t b c \t\r\nX-B:\r\n\r\n', headComplete)
  assert.equal(sent, 'GET / HTTP/1.1\r\nHost: a\r\nX-A: b c\r\nX-B: \r\n\r\n')
})

test('row 15: absolute-form goes as origin-form with its authority as Host', async () => {
  const sent = await bench.forwards('GET http://a.test:80?x=1 HTTP/1.1\r\nHost: A.test:80\r\n\r\n', headComplete)
  assert.match(sent, /^GET \/\?x=1 HTTP\/1\.1\r\nHost: A\.test:80\r\n/i)
})

test('row 16: escapes are not decoded, odd but valid targets stay', async () => {
  for (const target of ['/%00%0d%0aX:%20y', '//a/../b;c?d=%2F', "/!$&'()*+,;=:@-._~", '/a|b"<>^`{}']) {
    const request = `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`
    assert.equal(await bench.forwards(request, headComplete), request)
  }
})

test('row 16: methods keep their case, unknown ones go on', async () => {
  for (const method of ['get', 'PROPFIND', 'X-Y!']) {
    const request = `${method} / HTTP/1.1\r\nHost: a\r\n\r\n`
    assert.equal(await bench.forwards(request, headComplete), request)
  }
})

test('row 18: answers to pipelined requests come in order, one request at a time, until the malformed one', async () => {
  const before = bench.origin.connections.length
  let inFlight = 0
  let most = 0
  bench.script = (connection, arrived) => {
    most = Math.max(most, ++inFlight)
    const path = /^GET (\S+)/.exec(arrived)![1]!
    setImmediate(() => {
      inFlight--
      connection.send(`HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`)
    })
  }
  const request = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`
  const { text } = await bench.answers(`${request('/1')}${request('/2')}${request('/3')}GET /4\r\n\r\n${request('/5')}`)
  bench.script = answerOk
  assert.deepEqual(statusesIn(text), [200, 200, 200, 400])
  assert.deepEqual(
    [...text.matchAll(/\r\n\r\n(\/\d)/g)].map(([, path]) => path),
    ['/1', '/2', '/3'],
  )
  assert.equal(most, 1)
  const received = bench.origin.connections
    .slice(before)
    .map((connection) => connection.received)
    .join('')
  assert.ok(!/GET \/[45]/.test(received))
})

test('row 19: Expect goes to the origin, whose 100 comes back before the body is sent', async () => {
  bench.script = (connection, arrived) => {
    if (arrived.endsWith('\r\n\r\n')) connection.send('HTTP/1.1 100 Continue\r\n\r\n')
    else answerOk(connection, '\r\n\r\n')
  }
  const client = await bench.client()
  client.send('POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n')
  assert.ok(await client.sees((text) => text === 'HTTP/1.1 100 Continue\r\n\r\n'))
  client.send('hello')
  assert.ok(await client.sees((text) => statusesIn(text).includes(200)))
  client.close()
  bench.script = answerOk
})

test('row 19: a final status before 100 ends the exchange: no body goes on, both connections close', async () => {
  const before = bench.origin.connections.length
  bench.script = (connection) => connection.send('HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n')
  const { text } = await bench.answers(
    'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n',
  )
  bench.script = answerOk
  assert.deepEqual(statusesIn(text), [417])
  const connection = bench.origin.connections[before]!
  await bench.origin.waitFor('the end', () => connection.ended)
  assert.ok(connection.received.endsWith('\r\n\r\n'))
})

test('row 19: to HTTP/1.0 no 100 is sent, nor asked for', async () => {
  const before = bench.origin.connections.length
  bench.script = (connection) =>
    connection.send('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  const { text } = await bench.answers(
    'POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello',
  )
  bench.script = answerOk
  assert.deepEqual(statusesIn(text), [200])
  assert.ok(!/expect/i.test(bench.origin.connections[before]!.received))
})

test('row 20: an upgrade to h2c is not asked for, and the exchange goes on', async () => {
  const sent = await bench.forwards(
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n',
    headComplete,
  )
  assert.equal(sent, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
})

test('row 21: HTTP/1.0 goes on as 1.1, gets a Host where it had none, and its connection closes', async () => {
  const before = bench.origin.connections.length
  const { text } = await bench.answers('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
  assert.deepEqual(statusesIn(text), [200])
  assert.match(text, /\r\nConnection: close\r\n/)
  const received = bench.origin.connections[before]!.received
  assert.match(received, /^GET \/ HTTP\/1\.1\r\nHost: 127\.0\.0\.1:\d+\r\n/)
})

test('row 21: a 1.0 request without length has no body: what follows is not forwarded', async () => {
  const before = bench.origin.connections.length
  await bench.answers('POST / HTTP/1.0\r\nHost: a\r\n\r\nGET /smug HTTP/1.1\r\nHost: a\r\n\r\n')
  assert.ok(!bench.origin.connections[before]!.received.includes('smug'))
})

test('row 5: an upstream that answers before it read the request is not used again', async () => {
  const before = bench.origin.connections.length
  bench.script = (connection, arrived) => {
    if (arrived.startsWith('POST')) connection.send('HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n')
  }
  const { text } = await bench.answers('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhello')
  bench.script = answerOk
  assert.deepEqual(statusesIn(text), [403])
  await bench.origin.waitFor('the end', ({ connections }) => connections[before]?.ended === true)
})

test('a request in pieces of one byte arrives as in one', async () => {
  const before = bench.origin.connections.length
  const request =
    'POST /x HTTP/1.1\r\nHost: a\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: v\r\n\r\n'
  bench.script = () => {}
  const client = await bench.client()
  await client.sendPieces([...request])
  await bench.origin.waitFor(
    'the request',
    ({ connections }) => connections[before]?.received.endsWith('X-T: v\r\n\r\n') === true,
  )
  client.close()
  const [head = '', body = ''] = bench.origin.connections[before]!.received.split(
    /(?<=Transfer-Encoding: chunked\r\n(?:.+\r\n)*\r\n)/,
  )
  assert.match(head, /^POST \/x HTTP\/1\.1\r\nHost: a\r\nX-A: b\r\n/)
  assert.equal(body.replace(/[0-9a-f]+\r\n([a-z]+)\r\n/g, '$1'), 'hello0\r\nX-T: v\r\n\r\n')
})
