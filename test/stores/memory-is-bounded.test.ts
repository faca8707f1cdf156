import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Claim } from '../../src/exchange/idempotency-store.ts'
import { MemoryStore } from '../../src/stores/memory.ts'
import { aliveBytes } from '../support/heap.ts'
import { claimed, claimRequest, newId, response } from './requests.ts'

const MIB = 1024 * 1024

/** As a parser cuts it out of a request head of some kilobytes. */
function partOfAHead(): string {
  return Buffer.alloc(4096, newId()).toString('latin1').slice(64, 96)
}

async function completed(store: MemoryStore, body: Buffer): Promise<string> {
  const id = newId()
  const claim = await claimed(store, claimRequest(id))
  await store.dispatch(claim, '', 60_000)
  await store.complete(claim, '', response({ body, bodyBytes: body.length }))
  return id
}

test('claims at work are never evicted: where they fill their share, the next one is refused', async () => {
  const store = new MemoryStore({ maxBytes: 2 * MIB })
  const claims: Claim[] = []
  await assert.rejects(
    async () => {
      for (;;) claims.push(await claimed(store, claimRequest(newId())))
    },
    { name: 'StoreError', fault: 'full' },
  )
  assert.ok(claims.length > 100, `${claims.length} claims`)
  for (let i = 0; i < 2000; i++) await completed(store, Buffer.alloc(100)).catch(() => '')
  for (const { id } of claims) assert.equal(store.read(id)?.state, 'claimed')
  await store.release(claims[0]!)
  await claimed(store, claimRequest(newId()))
})

test('claims whose lease is over make room, and what was dispatched stays known', async () => {
  let now = 1_700_000_000_000
  const store = new MemoryStore({ maxBytes: 2 * MIB, now: () => now })
  const dispatched = await claimed(store, claimRequest(newId(), { leaseMs: 1000 }))
  await store.dispatch(dispatched, '', 1000)
  await assert.rejects(async () => {
    for (;;) await claimed(store, claimRequest(newId(), { leaseMs: 1000 }))
  })
  now += 1000
  await claimed(store, claimRequest(newId()))
  assert.equal(store.read(dispatched.id)?.state, 'unknown')
})

test('the oldest responses give up their body first, and are still known as completed', async () => {
  const store = new MemoryStore({ maxBytes: 8 * MIB })
  const ids: string[] = []
  for (let i = 0; i < 100; i++) ids.push(await completed(store, Buffer.alloc(100_000, i)))
  const records = ids.map((id) => store.read(id))
  assert.ok(records.every((record) => record?.state === 'completed'))
  assert.equal(records[0]?.response?.body, undefined)
  assert.equal(records[0]?.response?.status, 201)
  assert.equal(records[0]?.response?.bodyBytes, 100_000)
  assert.equal(records.at(-1)?.response?.body?.length, 100_000)
  assert.ok(store.bytes <= 8 * MIB)
  assert.equal(store.forgotten, 0)
})

test('ids that are forgotten before their time are counted', async () => {
  const store = new MemoryStore({ maxBytes: 2 * MIB })
  const first = await completed(store, Buffer.alloc(10))
  let made = 1
  while (store.read(first) !== undefined && made < 20_000) {
    // The first is not to be the one used last.
    await completed(store, Buffer.alloc(2000))
    await completed(store, Buffer.alloc(2000))
    made += 2
    if (made % 100 === 1 && store.forgotten > 0) break
  }
  assert.ok(store.forgotten > 0, 'something was forgotten')
  assert.ok(store.bytes <= 2 * MIB)
})

/** What records of so many bytes weigh, over what they are counted as. */
async function weighed(bytes: number): Promise<number> {
  const store = new MemoryStore({ maxBytes: 256 * MIB })
  await completed(store, Buffer.alloc(bytes))
  const before = aliveBytes()
  const counted = store.bytes
  // Enough of them that some hundreds of kilobytes that the engine keeps for itself do not show.
  const count = Math.min(20_000, Math.floor((64 * MIB) / bytes))
  for (let i = 0; i < count; i++) {
    const requestId = partOfAHead()
    const claim = await claimed(store, claimRequest(newId(), { requestId, traceparent: `00-${newId()}-01` }))
    const headers = Array.from({ length: 8 }, (_, h) => `x-header-${h}-${i}: value ${newId()}\r\n`).join('')
    await store.complete(claim, newId(), response({ headers, body: Buffer.alloc(bytes), bodyBytes: bytes }))
  }
  const ratio = (aliveBytes() - before) / (store.bytes - counted)
  await store.close()
  return ratio
}

test('bytes are counted as they weigh', async () => {
  // The first round brings what the engine makes once.
  await weighed(64)
  for (const bytes of [64, 2000, 30_000]) {
    const ratio = await weighed(bytes)
    assert.ok(ratio > 0.5 && ratio < 1.05, `${bytes} bytes: weighs ${ratio.toFixed(2)} of what is counted`)
  }
})

test('an id of any length is told from one that differs in its last letter', async () => {
  const store = new MemoryStore({ maxBytes: 8 * MIB })
  for (const length of [1, 3, 280, 281, 284, 285, 575, 2000, 30_000]) {
    const ids = ['a', 'b'].map((last) => 'x'.repeat(length - 1) + last)
    for (const [i, id] of ids.entries()) {
      assert.equal(store.read(id), undefined, `${length}`)
      const claim = await claimed(store, claimRequest(id))
      await store.complete(claim, '', response({ status: 200 + i }))
    }
    for (const [i, id] of ids.entries()) assert.equal(store.read(id)?.response?.status, 200 + i, `${length}`)
  }
})
