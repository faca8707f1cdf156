import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StoredResponse } from '../../src/exchange/idempotency-store.ts'
import { Replays } from '../../src/stages/idempotency/replays.ts'
import { field } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { problem } from '../support/proxy.ts'
import { keyedChain, post } from './support.ts'

const status = (code: number, headers = ''): string => `HTTP/1.1 ${code} X\r\nContent-Length: 1\r\n${headers}\r\nx`

for (const code of [200, 201, 302, 400, 403, 404, 409, 422, 500, 502, 503, 504]) {
  test(`${code} is kept`, async (t) => {
    const { ask, origin } = await keyedChain(t, await Origin.answering(() => status(code)))
    assert.equal((await ask({ key: 'k' })).status, code)
    const again = await ask({ key: 'k' })
    assert.equal(again.status, code)
    assert.equal(field(again, 'idempotent-replayed'), 'true')
    assert.equal(origin.requests.length, 1)
  })
}

for (const code of [401, 407, 408, 421, 425, 429]) {
  test(`${code} says that nothing ran: the next one may`, async (t) => {
    const origin = await Origin.answering((_request, nth) => (nth === 0 ? status(code) : ok('ran')))
    const { ask, store } = await keyedChain(t, origin)
    assert.equal((await ask({ key: 'k' })).status, code)
    assert.deepEqual(store.counts(), {})
    assert.equal((await ask({ key: 'k' })).body, 'ran')
    assert.equal((await ask({ key: 'k' })).body, 'ran')
    assert.equal(origin.requests.length, 2)
  })
}

test('which statuses those are is a setting', async (t) => {
  const origin = await Origin.answering((_request, nth) => (nth === 0 ? status(503) : status(429)))
  const { ask } = await keyedChain(t, origin, { flags: { 'idempotency.release': '5xx' } })
  assert.deepEqual(
    [await ask({ key: 'k' }), await ask({ key: 'k' }), await ask({ key: 'k' })].map((response) => response.status),
    [503, 429, 429],
  )
  assert.equal(origin.requests.length, 2)
})

test('a response over the cap goes to its client and leaves a tombstone', async (t) => {
  const cap = { flags: { 'idempotency.maxResponseBytes': '1000' } }
  for (const chunked of [false, true]) {
    const body = 'x'.repeat(1001)
    const text = chunked
      ? `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n${body}\r\n0\r\n\r\n`
      : `HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n${body}`
    const { ask, origin, proxy } = await keyedChain(t, await Origin.answering(() => text), cap)
    assert.equal((await ask({ key: 'k' })).body, body)
    const again = await ask({ key: 'k' })
    assert.equal(again.status, 409)
    assert.equal(problem(again.body).code, 'idempotency_body_not_kept')
    assert.equal(problem(again.body).detail, 'status 200, a body of 1001 bytes')
    assert.equal((await ask({ key: 'k', body: 'other' })).status, 422)
    assert.equal(origin.requests.length, 1)
    assert.equal((await proxy.finished(2))[1]?.idempotency, 'not_kept')
  }
})

test('a response of exactly the cap is kept', async (t) => {
  const { ask } = await keyedChain(t, await Origin.answering(() => ok('x'.repeat(1000))), {
    flags: { 'idempotency.maxResponseBytes': '1000' },
  })
  await ask({ key: 'k' })
  assert.equal((await ask({ key: 'k' })).body.length, 1000)
})

test('what belongs to one message, one client or one trace is not given again', async (t) => {
  const dropped = [
    'Connection: X-Hop',
    'X-Hop: 1',
    'Keep-Alive: timeout=5',
    'Set-Cookie: a=b',
    'Set-Cookie2: a=b',
    'WWW-Authenticate: Basic',
    'Proxy-Authenticate: Basic',
    'Authentication-Info: a',
    'Alt-Svc: h3',
    'X-Request-ID: upstream',
    'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    'traceresponse: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    'Server-Timing: a',
    'B3: 0',
    'Idempotent-Replayed: true',
  ]
  const kept = ['ETag: "a"', 'Location: /a', 'Cache-Control: no-store', 'Link: </a>', 'Link: </b>', 'Vary: a']
  const origin = await Origin.answering(() => ok('x', `Age: 7\r\n${[...dropped, ...kept].join('\r\n')}\r\n`))
  const { ask } = await keyedChain(t, origin)
  const first = await ask({ key: 'k', headers: 'X-Request-ID: mine\r\n' })
  assert.equal(field(first, 'idempotent-replayed'), 'true', 'what the upstream says itself passes the first time')
  const again = await ask({ key: 'k', headers: 'X-Request-ID: again\r\n' })
  assert.deepEqual(
    again.headers.map(([name, value]) => `${name}: ${value}`),
    [
      ...kept,
      'Age: 0',
      'Idempotent-Replayed: true',
      'Idempotent-Original-Request-Id: mine',
      'X-Request-ID: again',
      'Content-Length: 1',
    ],
  )
})

test('trailers are kept, for clients that take them', async (t) => {
  const text =
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n4\r\nbody\r\n0\r\nX-Sum: 1\r\n\r\n'
  const { ask, origin } = await keyedChain(t, await Origin.answering(() => text))
  const takes = { headers: 'TE: trailers\r\nConnection: TE\r\n' }
  assert.deepEqual((await ask({ key: 'k', ...takes })).trailers, [['X-Sum', '1']])
  const again = await ask({ key: 'k', ...takes })
  assert.equal(again.body, 'body')
  assert.deepEqual(again.trailers, [['X-Sum', '1']])
  assert.deepEqual((await ask({ key: 'k' })).trailers, [])
  assert.equal(origin.requests.length, 1)
})

test('a response without a length is given again with one', async (t) => {
  const text = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n'
  const { ask } = await keyedChain(t, await Origin.answering(() => text))
  await ask({ key: 'k' })
  const again = await ask({ key: 'k' })
  assert.equal(field(again, 'content-length'), '4')
  assert.equal(field(again, 'transfer-encoding'), undefined)
})

test('204 and an empty 201 come again as they were', async (t) => {
  for (const text of ['HTTP/1.1 204 No Content\r\n\r\n', 'HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n']) {
    const { dial } = await keyedChain(t, await Origin.answering(() => text))
    const client = await dial()
    client.send(post({ key: 'k' }) + post({ key: 'k' }))
    const [one, two] = [await client.message(), await client.message()]
    assert.equal(two.status, one.status)
    assert.equal(two.body, '')
    assert.equal(field(two, 'content-length'), field(one, 'content-length'))
  }
})

test('those that wait share an answer that is not kept', async (t) => {
  let arrived = 0
  const origin = await Origin.start(async (peer) => {
    await peer.message()
    arrived++
    await new Promise((resolve) => setTimeout(resolve, 200))
    peer.send(status(429, 'Retry-After: 7\r\n'))
  })
  const { ask, store } = await keyedChain(t, origin)
  const responses = await Promise.all([1, 2, 3].map(() => ask({ key: 'k' })))
  assert.deepEqual(
    responses.map((response) => [response.status, field(response, 'retry-after')]),
    [1, 2, 3].map(() => [429, '7']),
  )
  assert.equal(arrived, 1)
  assert.deepEqual(store.counts(), {})
})

test('an expired key is refused for a while, then free', async (t) => {
  const flags = { 'idempotency.ttlMs': '1000', 'idempotency.graceMs': '5000' }
  const { ask, origin, store, proxy } = await keyedChain(t, await Origin.answering((_r, nth) => ok(`made ${nth}`)), {
    flags,
  })
  await ask({ key: 'k' })
  store.nowMs += 999
  assert.equal((await ask({ key: 'k' })).body, 'made 0')
  store.nowMs += 1
  const late = await ask({ key: 'k' })
  assert.equal(late.status, 409)
  assert.equal(problem(late.body).code, 'idempotency_key_expired')
  store.nowMs += 5000
  assert.equal((await ask({ key: 'k' })).body, 'made 1')
  assert.equal(origin.requests.length, 2)
  assert.equal((await proxy.finished(3))[2]?.idempotency, 'expired')
})

test('repeats of one response share one copy of a large body, and all copies are bounded', () => {
  const replays = new Replays(100_000)
  const copy = (completedMs = 1): StoredResponse => {
    const body = Buffer.alloc(60_000)
    return { status: 200, headers: '', body, bodyBytes: body.length, trailers: '', completedMs }
  }
  const first = replays.lend('a', 'alice', copy())!
  const second = replays.lend('a', 'alice', copy())!
  assert.equal(second.body, first.body)
  assert.equal(replays.lend('a', 'alice', copy(2)), undefined, 'another response of that id')
  assert.equal(replays.lend('b', 'alice', copy()), undefined, 'no room')
  assert.ok(replays.lend('c', 'alice', { ...copy(), body: Buffer.alloc(10) }), 'small ones do not count')
  replays.giveBack(first)
  assert.equal(replays.lend('b', 'alice', copy()), undefined, 'it has a reader')
  replays.giveBack(second)
  const third = replays.lend('b', 'alice', copy())
  assert.ok(third)
  assert.equal(replays.lend('a', 'alice', copy()), undefined)
})
