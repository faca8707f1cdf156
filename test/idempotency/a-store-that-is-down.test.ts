import assert from 'node:assert/strict'
import { test } from 'node:test'
import { field } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { eventually, problem } from '../support/proxy.ts'
import { ModelStore, type Operation } from './model-store.ts'
import { keyedChain } from './support.ts'

/** A store that rejects these operations while `down`. */
function failing(...operations: Operation[]): { store: ModelStore; up: () => void } {
  const store = new ModelStore()
  let down = true
  store.around = (operation) =>
    down && operations.includes(operation) ? Promise.reject(new Error('down, by a test')) : undefined
  return {
    store,
    up: () => {
      down = false
    },
  }
}

const numbered = (): Promise<Origin> => Origin.answering((_request, nth) => ok(`made ${nth}`))
const CLOSED = { 'idempotency.onStoreDown': 'closed' }

for (const operation of ['claim', 'dispatch'] as const) {
  test(`closed: without a ${operation} nothing is sent`, async (t) => {
    const { store, up } = failing(operation)
    const { ask, origin, proxy } = await keyedChain(t, await numbered(), { store, flags: CLOSED })
    const refused = await ask({ key: 'k' })
    assert.equal(refused.status, 503)
    assert.equal(field(refused, 'retry-after'), '1')
    assert.equal(field(refused, 'content-type'), 'application/problem+json')
    assert.equal(problem(refused.body).code, 'idempotency_store_down')
    assert.equal((await proxy.finished(1))[0]?.idempotency, 'store_error')
    assert.ok(origin.connections.every(({ unread }) => unread === ''))
    up()
    assert.equal((await ask({ key: 'k' })).body, 'made 0')
    assert.equal((await ask({ key: 'k' })).body, 'made 0')
  })

  test(`open: without a ${operation} it is forwarded and marked`, async (t) => {
    const { store } = failing(operation, 'release')
    const { ask, origin, proxy } = await keyedChain(t, await numbered(), { store })
    const forwarded = await ask({ key: 'k' })
    assert.equal(forwarded.body, 'made 0')
    assert.equal(field(forwarded, 'idempotency-status'), 'bypassed')
    assert.equal((await proxy.finished(1))[0]?.idempotency, 'bypass')
    assert.equal(origin.requests.length, 1)
  })
}

test('a route that requires a key is closed by default', async (t) => {
  const { store } = failing('claim')
  const { ask, origin } = await keyedChain(t, await numbered(), { store, flags: { 'idempotency.mode': 'require' } })
  assert.equal((await ask({ key: 'k' })).status, 503)
  assert.equal(origin.requests.length, 0)
})

test('those that wait for a claim that fails are told the same', async (t) => {
  const store = new ModelStore()
  let fail = (): void => {}
  store.around = () =>
    new Promise((_resolve, reject) => {
      fail = () => reject(new Error('down, by a test'))
    })
  const { ask, proxy } = await keyedChain(t, await numbered(), { store, flags: CLOSED })
  const asked = [1, 2, 3].map(() => ask({ key: 'k' }))
  await eventually('all asking', () => proxy.plane.active === 3)
  fail()
  for (const response of await Promise.all(asked)) assert.equal(response.status, 503)
})

test('an answer that cannot be stored still goes to its client, and into the store when it is back', async (t) => {
  const { store, up } = failing('complete')
  const { ask, origin, proxy } = await keyedChain(t, await numbered(), {
    store,
    flags: { 'idempotency.leaseMs': '600', 'idempotency.waitMs': '50' },
  })
  assert.equal((await ask({ key: 'k' })).body, 'made 0')
  assert.equal((await proxy.finished(1))[0]?.idempotency, 'store_error')
  assert.deepEqual(store.counts(), { dispatched: 1 })
  assert.equal((await ask({ key: 'k' })).status, 409, 'it is known to have been sent')
  up()
  await eventually('the answer in the store', () => store.counts().completed === 1)
  const again = await ask({ key: 'k' })
  assert.equal(again.body, 'made 0')
  assert.equal(field(again, 'idempotent-replayed'), 'true')
  assert.equal(origin.requests.length, 1)
})

test('an answer that was never stored is unknown once the lease is over, and never run again', async (t) => {
  const { store } = failing('complete', 'renew')
  const { ask, origin } = await keyedChain(t, await numbered(), { store })
  assert.equal((await ask({ key: 'k' })).body, 'made 0')
  store.nowMs += 10_001
  assert.equal(problem((await ask({ key: 'k' })).body).code, 'idempotency_outcome_unknown')
  assert.equal(origin.requests.length, 1)
})

for (const onStoreDown of ['closed', 'open']) {
  test(`${onStoreDown}: who follows a key that runs elsewhere does not run it when the store fails`, async (t) => {
    const store = new ModelStore()
    const flags = { 'idempotency.onStoreDown': onStoreDown }
    const { ask, proxy, origin } = await keyedChain(t, await numbered(), { store, flags })
    const id = await idOf(store, () => ask({ key: 'k' }))
    const kept = store.records.get(id)!
    kept.state = 'dispatched'
    kept.leaseUntilMs = Number.POSITIVE_INFINITY
    store.around = (operation) => (operation === 'read' ? Promise.reject(new Error('down, by a test')) : undefined)
    const waiting = ask({ key: 'k' })
    await eventually('one that waits', () => proxy.plane.active === 1)
    assert.equal((await waiting).status, 503)
    assert.equal(origin.requests.length, 1)
  })
}

async function idOf(store: ModelStore, ask: () => Promise<unknown>): Promise<string> {
  await ask()
  return [...store.records.keys()][0]!
}
