/** security.md §2.2: what an upstream can send. Before a head went out: 502. After: the client sees that it broke off. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { statusesIn } from '../support/raw-peers.ts'
import { answerOk, Bench } from './bench.ts'

let bench: Bench
before(async () => {
  bench = await Bench.start()
})
after(() => bench.close())

const ok = (fields: string, body = ''): string => `HTTP/1.1 200 OK\r\n${fields}\r\n\r\n${body}`
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
const HEAD = 'HEAD / HTTP/1.1\r\nHost: a\r\n\r\n'

const BAD_HEADS: readonly (readonly [number, string, string])[] = [
  [22, 'a bare CR in the status line', 'HTTP/1.1 200 OK\rContent-Length: 0\r\n\r\n'],
  [22, 'a bare CR in a value', ok('X: a\rY: b\r\nContent-Length: 0')],
  [22, 'a bare LF in a value', ok('X: a\nY: b\r\nContent-Length: 0')],
  [22, 'NUL in a value', ok('X: a\x00b\r\nContent-Length: 0')],
  [22, 'a folded field', ok('X: a\r\n b\r\nContent-Length: 0')],
  [22, 'space before the colon', ok('Content-Length : 0')],
  [22, 'a name that is not a token', ok('X Y: a\r\nContent-Length: 0')],
  [24, 'both lengths', ok('Content-Length: 5\r\nTransfer-Encoding: chunked', '0\r\n\r\n')],
  [24, 'two lengths', ok('Content-Length: 5\r\nContent-Length: 6', 'hello!')],
  [24, 'two equal lengths', ok('Content-Length: 5\r\nContent-Length: 5', 'hello')],
  [24, 'a length that is none', ok('Content-Length: 0x5', 'hello')],
  [24, 'an unknown coding', ok('Transfer-Encoding: gzip', 'hello')],
  [24, 'chunked that is not last', ok('Transfer-Encoding: chunked, gzip', '0\r\n\r\n')],
  [24, 'a length on a 204', 'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello'],
  [24, 'chunks on a 204', 'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  [24, 'a length on a 103', 'HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\nhello'],
  [24, 'chunks on HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  [
    26,
    'a 101 that was not asked for',
    'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
  ],
  [27, '10,000 fields', ok(`${'X: y\r\n'.repeat(10_000)}Content-Length: 0`)],
  [27, 'a field of 100 KB', ok(`X: ${'y'.repeat(100_000)}\r\nContent-Length: 0`)],
  [27, 'a status line of 100 KB', `HTTP/1.1 200 ${'O'.repeat(100_000)}\r\nContent-Length: 0\r\n\r\n`],
  ...[
    'HTTP/0.9 200 OK',
    'HTTP/1.2 200 OK',
    'HTTP/2.0 200 OK',
    'ICY 200 OK',
    'HTTP/1.1  200 OK',
    'HTTP/1.1 20 OK',
    'HTTP/1.1 2000 OK',
    'HTTP/1.1 099 OK',
    'HTTP/1.1 600 OK',
    'HTTP/1.1',
    'http/1.1 200 OK',
    '220 mail ESMTP',
  ].map((line) => [27, line, `${line}\r\nContent-Length: 0\r\n\r\n`] as const),
]

for (const [row, name, response] of BAD_HEADS) {
  test(`row ${row}: ${name} → 502, and nothing of it`, async () => {
    const before = bench.origin.connections.length
    bench.script = (connection) => connection.send(response)
    const client = await bench.client()
    client.send(GET)
    await client.sees((text) => text.includes('"code"'))
    assert.deepEqual(statusesIn(client.received), [502], client.received)
    await bench.origin.waitFor('the end', ({ connections }) => connections[before]?.ended === true)
    // The client did nothing wrong: its connection serves the next request.
    bench.script = answerOk
    client.send(GET)
    assert.ok(await client.sees((text) => statusesIn(text).length === 2))
    assert.deepEqual(statusesIn(client.received), [502, 200])
    client.close()
  })
}

const BROKEN_BODIES: readonly (readonly [string, string])[] = [
  ['a chunk size that is none', ok('Transfer-Encoding: chunked', '5\r\nhello\r\nxyz\r\n')],
  ['a chunk longer than its size', ok('Transfer-Encoding: chunked', '5\r\nhello!!\r\n0\r\n\r\n')],
  ['a bare LF after a chunk', ok('Transfer-Encoding: chunked', '5\r\nhello\n0\r\n\r\n')],
  ['a malformed trailer', ok('Transfer-Encoding: chunked', '5\r\nhello\r\n0\r\nX Y: z\r\n\r\n')],
  ['a length in the trailers', ok('Transfer-Encoding: chunked', '5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n')],
  ['a body shorter than its length', ok('Content-Length: 10', 'hello')],
  ['chunks without an end', ok('Transfer-Encoding: chunked', '5\r\nhello\r\n')],
]

for (const [name, response] of BROKEN_BODIES) {
  test(`row 24: ${name}: the client can see that it is not complete`, async () => {
    bench.script = (connection) => {
      connection.send(response)
      connection.end()
    }
    const { text, ending } = await bench.answers(GET)
    bench.script = answerOk
    assert.ok(!text.includes('\r\n0\r\n'), 'no last chunk')
    // In one segment the fault may come before the head went out: then a 502 is the better answer.
    if (statusesIn(text)[0] !== 502) assert.ok(ending === 'reset' || !text.endsWith('\r\n\r\n'), text)
  })
}

test('row 23: a second response behind the first reaches nobody', async () => {
  const before = bench.origin.connections.length
  bench.script = (connection) => connection.send(ok('Content-Length: 5', 'hello') + ok('Content-Length: 6', 'poison'))
  const client = await bench.client()
  client.send(GET)
  assert.ok(await client.sees((text) => text.endsWith('hello')))
  await bench.origin.waitFor('the end', ({ connections }) => connections[before]?.ended === true)
  bench.script = answerOk
  client.send(GET)
  assert.ok(await client.sees((text) => statusesIn(text).length === 2))
  client.close()
  assert.ok(!client.received.includes('poison'))
})

test('row 23: a byte on an idle connection ends it', async () => {
  bench.script = answerOk
  const client = await bench.client()
  const before = bench.origin.connections.length
  client.send(GET)
  assert.ok(await client.sees((text) => statusesIn(text).length === 1))
  const first = bench.origin.connections[before]!
  first.send(ok('Content-Length: 6', 'poison'))
  await bench.origin.waitFor('the end', () => first.ended)
  client.send(GET)
  assert.ok(await client.sees((text) => statusesIn(text).length === 2))
  client.close()
  assert.ok(!client.received.includes('poison'))
})

test('row 24: a body on the answer to HEAD, a 204 or a 304 reaches nobody', async () => {
  for (const [request, response] of [
    [HEAD, ok('Content-Length: 5', 'hello')],
    [GET, 'HTTP/1.1 204 No Content\r\n\r\nhello'],
    [GET, 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello'],
  ] as const) {
    const before = bench.origin.connections.length
    bench.script = (connection) => connection.send(response)
    const client = await bench.client()
    client.send(request)
    assert.ok(await client.sees((text) => text.includes('\r\n\r\n')))
    await bench.origin.waitFor('the end', ({ connections }) => connections[before]?.ended === true)
    assert.ok(client.received.endsWith('\r\n\r\n'), client.received)
    client.close()
  }
  bench.script = answerOk
})

test('row 25: eight 1xx are relayed, a ninth is one too many', async () => {
  const hints = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'
  for (const [count, statuses] of [
    [8, [...Array(8).fill(103), 200]],
    [9, [...Array(8).fill(103), 502]],
    [10_000, [...Array(8).fill(103), 502]],
  ] as const) {
    bench.script = (connection) => connection.send(hints.repeat(count) + ok('Content-Length: 0'))
    const client = await bench.client()
    client.send(GET)
    await client.sees((text) => statusesIn(text).some((status) => status >= 200))
    client.close()
    assert.deepEqual(statusesIn(client.received), statuses)
  }
  bench.script = answerOk
})

test('row 25: no 1xx to HTTP/1.0', async () => {
  bench.script = (connection) => connection.send(`HTTP/1.1 103 Early Hints\r\n\r\n${ok('Content-Length: 0')}`)
  const { text } = await bench.answers('GET / HTTP/1.0\r\nHost: a\r\n\r\n')
  bench.script = answerOk
  assert.deepEqual(statusesIn(text), [200])
})

test('row 28: a compressed body goes through as it is', async () => {
  const bomb = ok('Content-Encoding: gzip, gzip\r\nContent-Length: 4', '\x1f\x8b\x08\x00')
  bench.script = (connection) => connection.send(bomb)
  const client = await bench.client()
  client.send(GET)
  assert.ok(await client.sees((text) => text.endsWith('\r\n\r\n\x1f\x8b\x08\x00')))
  client.close()
  bench.script = answerOk
})

/** Warm a connection, then have the origin close it just as the next request arrives. */
async function raceOf(request: string): Promise<{ statuses: number[]; copies: number }> {
  const marker = '/race'
  bench.script = (connection, arrived) => {
    if (arrived.includes(marker) && connection.received.includes('/warm')) connection.reset()
    else answerOk(connection, '\r\n\r\n')
  }
  const client = await bench.client()
  client.send('GET /warm HTTP/1.1\r\nHost: a\r\n\r\n')
  assert.ok(await client.sees((text) => statusesIn(text).length === 1))
  const before = bench.origin.received.split(marker).length
  client.send(request)
  assert.ok(await client.sees((text) => statusesIn(text).length === 2))
  client.close()
  bench.script = answerOk
  return { statuses: statusesIn(client.received), copies: bench.origin.received.split(marker).length - before }
}

test('row 29: a GET that meets the end of a reused connection is sent once more on a fresh one', async () => {
  assert.deepEqual(await raceOf('GET /race HTTP/1.1\r\nHost: a\r\n\r\n'), { statuses: [200, 200], copies: 2 })
})

test('row 29: a POST that was sent is not repeated', async () => {
  const request = 'POST /race HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello'
  assert.deepEqual(await raceOf(request), { statuses: [200, 502], copies: 1 })
})
