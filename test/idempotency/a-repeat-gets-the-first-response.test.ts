import assert from 'node:assert/strict'
import { test } from 'node:test'
import { field, fields } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { problem } from '../support/proxy.ts'
import { keyedChain, post } from './support.ts'

test('a repeat gets the first response and reaches no upstream', async (t) => {
  const origin = await Origin.answering((_request, nth) =>
    ok(
      `made ${nth}`,
      'Location: /payments/1\r\nSet-Cookie: a=b\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nX-Custom: c\r\n',
    ),
  )
  const { ask, proxy } = await keyedChain(t, origin)
  const first = await ask({ key: '"k1"', headers: 'X-Request-ID: one\r\n' })
  assert.equal(first.body, 'made 0')
  assert.equal(field(first, 'idempotent-replayed'), undefined)
  assert.equal(field(first, 'set-cookie'), 'a=b')
  const second = await ask({ key: 'k1', headers: 'X-Request-ID: two\r\n' })
  assert.equal(second.start, 'HTTP/1.1 200 OK')
  assert.equal(second.body, 'made 0')
  assert.deepEqual(
    second.headers.map(([name, value]) => `${name}: ${value}`),
    [
      'Location: /payments/1',
      'Date: Mon, 01 Jan 2024 00:00:00 GMT',
      'X-Custom: c',
      'Age: 0',
      'Idempotent-Replayed: true',
      'Idempotent-Original-Request-Id: one',
      'X-Request-ID: two',
      'Content-Length: 6',
    ],
  )
  assert.equal(origin.requests.length, 1)
  assert.equal(field(origin.requests[0]!, 'idempotency-key'), '"k1"', 'the key is forwarded as it came')
  const [one, two] = await proxy.finished(2)
  assert.deepEqual([one?.idempotency, two?.idempotency], ['first', 'replay'])
  assert.equal(two?.originalSpanId, one?.spanId)
  assert.equal(two?.attempts, 0)
})

test('the connection is kept after a replay and after a refusal', async (t) => {
  const { dial, origin } = await keyedChain(t, await Origin.answering((_request, nth) => ok(`made ${nth}`)))
  const client = await dial()
  client.send(post({ key: 'k' }) + post({ key: 'k' }) + post({ key: 'k', body: 'other' }) + post({ key: 'k' }))
  assert.equal((await client.message()).body, 'made 0')
  assert.equal((await client.message()).body, 'made 0')
  assert.equal((await client.message()).status, 422)
  assert.equal((await client.message()).body, 'made 0')
  assert.equal(client.ending, 'open')
  assert.equal(origin.requests.length, 1)
})

test('the same key with another body is refused', async (t) => {
  const { ask, origin, proxy } = await keyedChain(t, await Origin.answering(() => ok('x')))
  await ask({ key: 'k', body: 'amount=1' })
  for (const asked of [{ body: 'amount=2' }, { body: 'amount=11' }, { headers: 'Content-Type: text/plain\r\n' }]) {
    const response = await ask({ key: 'k', ...asked })
    assert.equal(response.status, 422)
    assert.equal(field(response, 'content-type'), 'application/problem+json')
    assert.equal(problem(response.body).code, 'idempotency_key_reused')
  }
  assert.equal(origin.requests.length, 1)
  assert.deepEqual(
    (await proxy.finished(4)).map(({ idempotency }) => idempotency),
    ['first', 'mismatch', 'mismatch', 'mismatch'],
  )
})

test('what differs from try to try means nothing', async (t) => {
  const { ask, origin } = await keyedChain(t, await Origin.answering(() => ok('x')))
  await ask({ key: 'k' })
  const headers =
    'Date: Mon, 01 Jan 2024 00:00:00 GMT\r\nUser-Agent: other\r\nX-Request-ID: r\r\nBaggage: a=b\r\n' +
    'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n'
  const again = await ask({ key: 'k', headers })
  assert.equal(field(again, 'idempotent-replayed'), 'true')
  assert.equal(origin.requests.length, 1)
})

test('one record for each method, path with query, host, principal and key', async (t) => {
  const { ask, origin } = await keyedChain(t, await Origin.answering((_request, nth) => ok(`made ${nth}`)))
  const different = [
    { key: 'k' },
    { key: 'K' },
    { key: 'k', method: 'PATCH' },
    { key: 'k', path: '/other' },
    { key: 'k', path: '/pay?a=1' },
    { key: 'k', authorization: 'Bearer bob' },
  ]
  for (const [nth, asked] of different.entries()) assert.equal((await ask(asked)).body, `made ${nth}`)
  for (const [nth, asked] of different.entries()) assert.equal((await ask(asked)).body, `made ${nth}`)
  assert.equal(origin.requests.length, different.length)
})

test('requests without a key, and methods that need none, are left alone', async (t) => {
  const { ask, origin, store, proxy } = await keyedChain(t, await Origin.answering(() => ok('x')))
  for (const asked of [{}, { key: 'k', method: 'PUT' }, { key: 'k', method: 'DELETE' }]) {
    for (let i = 0; i < 2; i++) assert.deepEqual(fields(await ask(asked), 'idempotent-replayed'), [])
  }
  assert.equal(origin.requests.length, 6)
  assert.deepEqual(store.log, [])
  assert.ok((await proxy.finished(6)).every(({ idempotency }) => idempotency === undefined))
})
