import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Origin, ok } from '../support/origin.ts'
import { keyedChain, post } from './support.ts'

test('what may leave HTTP or never end is forwarded as it is, even where a key is required', async (t) => {
  const { ask, store, origin, proxy } = await keyedChain(t, await Origin.answering(() => ok('x')), {
    flags: { 'idempotency.mode': 'require' },
  })
  const streams = ['Content-Type: application/grpc\r\n', 'Content-Type: application/grpc+proto\r\n']
  for (const headers of streams) {
    for (const key of ['k', 'k', undefined]) {
      const response = await ask({ ...(key === undefined ? {} : { key }), headers, body: '' })
      assert.notEqual(response.status, 400, headers)
    }
  }
  assert.deepEqual(store.log, [])
  assert.ok((await proxy.finished(3)).every(({ idempotency }) => idempotency === undefined))
  assert.ok(origin.requests.length > 0)
})

test('a type that only begins like that of gRPC is none', async (t) => {
  const { ask, origin } = await keyedChain(t, await Origin.answering((_request, nth) => ok(`made ${nth}`)))
  for (const _ of [1, 2]) {
    assert.equal((await ask({ key: 'k', headers: 'Content-Type: application/grpc.report+json\r\n' })).body, 'made 0')
  }
  assert.equal(origin.requests.length, 1)
})

test('outbound keys are not looked at unless asked for', async (t) => {
  for (const outbound of [false, true]) {
    const { dial, store } = await keyedChain(t, await Origin.answering(() => ok('x')), {
      direction: 'outbound',
      flags: { 'idempotency.outbound': String(outbound) },
    })
    const client = await dial()
    client.send(post({ key: 'k' }))
    await client.message()
    assert.equal(store.log.length > 0, outbound)
  }
})
