/** What every store holds to, whatever it keeps its records in. */

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { linesOf } from '../../src/core/field-lines.ts'
import type { IdempotencyStore } from '../../src/exchange/idempotency-store.ts'
import { claimed, claimRequest, claimState, newId, response } from './requests.ts'

/** A store under test and a clock: injected, or the server's own. */
export interface StoreUnderTest {
  readonly store: IdempotencyStore
  /** Let that much time pass, as the store sees it. */
  pass(ms: number): Promise<void>
  close(): Promise<void>
}

/** A lease or a time to live that is over soon, and one that is not. */
const SHORT_MS = 60
/** Long enough for some operations of a loaded machine, short enough to be waited for. */
const WHILE_MS = 800
const LONG_MS = 60_000

/** `skip`: why the store cannot be had here, else false. */
export function storeContract(name: string, open: () => Promise<StoreUnderTest>, skip: string | false = false): void {
  let under: StoreUnderTest | undefined
  let store: IdempotencyStore
  before(async () => {
    if (skip !== false) return
    under = await open()
    store = under.store
  })
  after(() => under?.close())

  const holds = (what: string, run: () => Promise<void>): void => {
    test(`${name}: ${what}`, { skip }, run)
  }

  holds('a free id is claimed once, and then told as it is', async () => {
    const request = claimRequest(newId(), { fingerprint: '' })
    const claim = await claimed(store, request)
    assert.equal(claim.id, request.id)
    assert.equal(claim.owner, request.owner)
    const again = await store.claim(claimRequest(request.id, { fingerprint: 'fp-2', requestId: 'request-2' }))
    assert.equal(again.kind, 'exists')
    assert.equal(again.record.state, 'claimed')
    assert.equal(again.record.fingerprint, '')
    assert.equal(again.record.requestId, request.requestId)
    assert.equal(again.record.traceparent, request.traceparent)
    assert.equal(again.record.response, undefined)
    assert.deepEqual(await store.read(request.id), again.record)
  })

  holds('a claim that is asked for again by its own owner is given again, until it is dispatched', async () => {
    const request = claimRequest(newId())
    await claimed(store, request)
    const claim = await claimed(store, request)
    assert.equal(await claimState(store, claimRequest(request.id)), 'claimed')
    assert.equal(await store.dispatch(claim, '', LONG_MS), true)
    assert.equal(await claimState(store, request), 'dispatched')
  })

  holds('an id never seen is unknown to it', async () => {
    assert.equal(await store.read(newId()), undefined)
  })

  holds('the fingerprint is learnt when it is known, and "" leaves it', async () => {
    const id = newId()
    const claim = await claimed(store, claimRequest(id, { fingerprint: '' }))
    assert.equal(await store.renew(claim, 'fp-learnt', LONG_MS), true)
    assert.equal((await store.read(id))?.fingerprint, 'fp-learnt')
    assert.equal(await store.dispatch(claim, '', LONG_MS), true)
    const record = await store.read(id)
    assert.equal(record?.fingerprint, 'fp-learnt')
    assert.equal(record?.state, 'dispatched')
  })

  holds('a response comes back byte for byte', async () => {
    const id = newId()
    const claim = await claimed(store, claimRequest(id))
    assert.equal(await store.dispatch(claim, 'fp-1', LONG_MS), true)
    const body = randomBytes(100_003)
    const full = response({
      status: 599,
      headers: linesOf([
        ['X-Latin', Buffer.from(Array.from({ length: 223 }, (_, i) => i + 33)).toString('latin1')],
        ['x-dup', 'one'],
        ['X-Dup', 'two'],
        ['empty', ''],
        ['x-long', 'v'.repeat(70_000)],
      ]),
      body,
      bodyBytes: body.length,
      trailers: 'grpc-status: 0\r\n',
      completedMs: 1_700_000_000_123.5,
    })
    assert.equal(await store.complete(claim, 'fp-9', full), true)
    const record = await store.read(id)
    assert.equal(record?.state, 'completed')
    assert.equal(record?.fingerprint, 'fp-9')
    assert.deepEqual(record?.response, full)
    const claimedAgain = await store.claim(claimRequest(id))
    assert.equal(claimedAgain.kind, 'exists')
    assert.deepEqual(claimedAgain.record.response, full)
  })

  holds('a body of 1 MiB, an empty one and one that was not kept are three things', async () => {
    for (const body of [randomBytes(1024 * 1024), Buffer.alloc(0), undefined]) {
      const id = newId()
      const claim = await claimed(store, claimRequest(id))
      await store.dispatch(claim, '', LONG_MS)
      const kept = { ...response(), body, bodyBytes: body?.length ?? 5_000_000_000 }
      assert.equal(await store.complete(claim, '', kept), true)
      const read = (await store.read(id))?.response
      assert.equal(read?.bodyBytes, kept.bodyBytes)
      assert.deepEqual(read?.body, body)
    }
  })

  holds('a late owner changes nothing of a newer claim', async () => {
    const id = newId()
    const late = await claimed(store, claimRequest(id, { leaseMs: SHORT_MS }))
    await under!.pass(SHORT_MS)
    const newer = await claimed(store, claimRequest(id))
    assert.ok(newer.fence > late.fence, 'the fence grows')
    assert.equal(await store.dispatch(late, '', LONG_MS), false)
    assert.equal(await store.renew(late, '', LONG_MS), false)
    assert.equal(await store.complete(late, '', response()), false)
    assert.equal(await store.markUnknown(late, ''), false)
    assert.equal(await store.release(late), false)
    assert.equal((await store.read(id))?.state, 'claimed')
    assert.equal(await store.dispatch(newer, '', LONG_MS), true)
  })

  holds('owner and fence both count', async () => {
    const claim = await claimed(store, claimRequest(newId()))
    assert.equal(await store.dispatch({ ...claim, owner: newId() }, '', LONG_MS), false)
    assert.equal(await store.dispatch({ ...claim, fence: claim.fence + 1 }, '', LONG_MS), false)
    assert.equal(await store.dispatch(claim, '', LONG_MS), true)
  })

  holds('a claim whose lease is over is free, and its owner may not dispatch', async () => {
    const id = newId()
    const claim = await claimed(store, claimRequest(id, { leaseMs: SHORT_MS }))
    await under!.pass(SHORT_MS)
    assert.equal(await store.read(id), undefined)
    assert.equal(await store.dispatch(claim, '', LONG_MS), false)
    assert.equal(await claimState(store, claimRequest(id)), 'free')
  })

  holds('a renewed lease goes on', async () => {
    const id = newId()
    const claim = await claimed(store, claimRequest(id, { leaseMs: 10 * SHORT_MS }))
    assert.equal(await store.renew(claim, '', LONG_MS), true)
    await under!.pass(11 * SHORT_MS)
    assert.equal((await store.read(id))?.state, 'claimed')
  })

  holds('dispatched with its lease over is unknown, and stays it', async () => {
    const id = newId()
    const claim = await claimed(store, claimRequest(id))
    assert.equal(await store.dispatch(claim, '', SHORT_MS), true)
    await under!.pass(SHORT_MS)
    assert.equal(await claimState(store, claimRequest(id)), 'unknown')
    assert.equal((await store.read(id))?.state, 'unknown')
    assert.equal(await store.renew(claim, '', LONG_MS), false, 'work is over')
    assert.equal((await store.read(id))?.state, 'unknown')
  })

  holds('an owner who comes late with the outcome still ends the doubt', async () => {
    const [answered, unsent] = [newId(), newId()]
    for (const id of [answered, unsent]) {
      const claim = await claimed(store, claimRequest(id))
      await store.dispatch(claim, '', SHORT_MS)
      await under!.pass(SHORT_MS)
      assert.equal(await claimState(store, claimRequest(id)), 'unknown')
      if (id === answered) assert.equal(await store.complete(claim, '', response()), true)
      else assert.equal(await store.release(claim), true)
    }
    assert.equal((await store.read(answered))?.state, 'completed')
    assert.equal(await claimState(store, claimRequest(unsent)), 'free')
  })

  holds(
    'an unknown record may be claimed over where the upstream deduplicates, and the first owner is late then',
    async () => {
      const id = newId()
      const first = await claimed(store, claimRequest(id))
      await store.dispatch(first, '', LONG_MS)
      assert.equal(
        await claimState(store, claimRequest(id, { overUnknown: true })),
        'dispatched',
        'not while it is at work',
      )
      assert.equal(await store.markUnknown(first, 'fp-unknown'), true)
      const seen = await store.claim(claimRequest(id))
      assert.equal(seen.kind, 'exists')
      assert.equal(seen.record.state, 'unknown')
      assert.equal(seen.record.fingerprint, 'fp-unknown')
      const second = await claimed(store, claimRequest(id, { overUnknown: true }))
      assert.ok(second.fence > first.fence)
      assert.equal(await store.complete(first, '', response()), false)
      await store.dispatch(second, '', LONG_MS)
      assert.equal(await store.complete(second, '', response()), true)
      assert.equal(await claimState(store, claimRequest(id, { overUnknown: true })), 'completed')
    },
  )

  holds('a released id is free, with a higher fence', async () => {
    const id = newId()
    const first = await claimed(store, claimRequest(id))
    assert.equal(await store.release(first), true)
    assert.equal(await store.read(id), undefined)
    assert.equal(await store.release(first), false)
    const second = await claimed(store, claimRequest(id))
    assert.ok(second.fence > first.fence)
    assert.equal(await store.dispatch(second, '', LONG_MS), true)
    assert.equal(await store.release(second), true, 'nothing reached the upstream after all')
    assert.equal(await claimState(store, claimRequest(id)), 'free')
  })

  holds('an outcome stays, whoever comes', async () => {
    const id = newId()
    const claim = await claimed(store, claimRequest(id))
    await store.dispatch(claim, '', LONG_MS)
    assert.equal(await store.complete(claim, '', response({ status: 200 })), true)
    assert.equal(await store.complete(claim, '', response({ status: 500 })), true, 'told again that it is there')
    assert.equal(await store.markUnknown(claim, ''), false)
    assert.equal(await store.release(claim), false)
    assert.equal(await store.renew(claim, '', LONG_MS), false)
    assert.equal(await store.dispatch(claim, '', LONG_MS), false)
    assert.equal((await store.read(id))?.response?.status, 200)
  })

  holds('past its time it is expired, past its grace free', async () => {
    const id = newId()
    const lives = { ttlMs: WHILE_MS, graceMs: WHILE_MS }
    const claim = await claimed(store, claimRequest(id, lives))
    await store.dispatch(claim, '', WHILE_MS)
    await store.complete(claim, '', response())
    await under!.pass(WHILE_MS)
    const expired = await store.claim(claimRequest(id))
    assert.equal(expired.kind, 'exists')
    assert.equal(expired.record.state, 'expired')
    assert.equal(expired.record.response, undefined)
    assert.equal(expired.record.fingerprint, 'fp-1')
    assert.equal((await store.read(id))?.state, 'expired')
    assert.equal(await claimState(store, claimRequest(id, { overUnknown: true })), 'expired')
    await under!.pass(WHILE_MS)
    assert.equal(await store.read(id), undefined)
    assert.equal(await claimState(store, claimRequest(id)), 'free')
  })

  holds('doubt expires as well', async () => {
    const id = newId()
    const claim = await claimed(store, claimRequest(id, { ttlMs: SHORT_MS, graceMs: WHILE_MS }))
    await store.dispatch(claim, '', LONG_MS)
    assert.equal(await store.markUnknown(claim, ''), true)
    await under!.pass(SHORT_MS)
    assert.equal(await claimState(store, claimRequest(id, { overUnknown: true })), 'expired')
    await under!.pass(WHILE_MS)
    assert.equal(await claimState(store, claimRequest(id)), 'free')
  })

  holds('what is at work is told as such, even past its time', async () => {
    const id = newId()
    const claim = await claimed(store, claimRequest(id, { ttlMs: SHORT_MS, graceMs: 0 }))
    await store.dispatch(claim, '', LONG_MS)
    await under!.pass(2 * SHORT_MS)
    assert.equal(await claimState(store, claimRequest(id)), 'dispatched')
    assert.equal(await store.renew(claim, '', LONG_MS), true)
  })

  holds('of 1,000 claims of one id at once, one gets it', async () => {
    const id = newId()
    const results = await Promise.all(Array.from({ length: 1000 }, async () => store.claim(claimRequest(id))))
    assert.equal(results.filter(({ kind }) => kind === 'claimed').length, 1)
    const owner = results.find((result) => result.kind === 'claimed')!
    assert.equal(await store.dispatch(owner.claim, '', LONG_MS), true)
  })

  holds('a change is told to those who wait', async () => {
    const id = newId()
    const claim = await claimed(store, claimRequest(id))
    await store.dispatch(claim, '', LONG_MS)
    let told = false
    const waiting = Array.from({ length: 50 }, () => store.changed(id, 10_000))
    void waiting[0]!.then(() => {
      told = true
    })
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(told, false, 'not before')
    const start = performance.now()
    await store.complete(claim, '', response())
    await Promise.all(waiting)
    assert.ok(performance.now() - start < 1000, 'at once')
    const again = performance.now()
    await store.changed(id, 10_000)
    assert.ok(performance.now() - again < 1000, 'what is over is not waited for')
  })

  holds('a wait is over in time', async () => {
    const id = newId()
    await claimed(store, claimRequest(id))
    const start = performance.now()
    await store.changed(id, 30)
    const took = performance.now() - start
    assert.ok(took >= 25 && took < 1000, `${took} ms`)
  })

  holds('it counts its records', async () => {
    await claimed(store, claimRequest(newId()))
    const counts = await store.counts()
    assert.ok(
      Object.values(counts).every((count) => Number.isInteger(count)),
      JSON.stringify(counts),
    )
  })
}
