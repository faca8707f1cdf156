/** Random operations on a store and on the model, side by side: every answer must be the same. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Claim, IdempotencyRecord, IdempotencyStore } from '../../src/exchange/idempotency-store.ts'
import { ReferenceModel, type Seen } from './reference-model.ts'
import { claimRequest, newId, response } from './requests.ts'

interface Operation {
  readonly kind: 'claim' | 'dispatch' | 'renew' | 'complete' | 'markUnknown' | 'release' | 'read' | 'pass' | 'sweep'
  /** Which of the ids, and which of the claims made so far. */
  readonly which: number
  readonly fingerprint: '' | 'a' | 'b'
  /** Lease, time to live, grace, or time that passes. */
  readonly ms: number
  readonly moreMs: number
  readonly overUnknown: boolean
}

const IDS = 3

function operations(maxMs: number): fc.Arbitrary<Operation[]> {
  const ms = fc.integer({ min: 0, max: maxMs })
  const kinds: Operation['kind'][] = [
    'claim',
    'claim',
    'dispatch',
    'renew',
    'complete',
    'markUnknown',
    'release',
    'read',
    'pass',
    'sweep',
  ]
  const operation = fc.record({
    kind: fc.constantFrom(...kinds),
    which: fc.nat(11),
    fingerprint: fc.constantFrom<'' | 'a' | 'b'>('', 'a', 'b'),
    ms,
    moreMs: ms,
    overUnknown: fc.boolean(),
  })
  return fc.array(operation, { maxLength: 60 })
}

export interface Subject {
  readonly store: IdempotencyStore
  readonly startMs: number
  /** Move its clock; where it has none, all times are long and none passes. */
  readonly pass: ((ms: number) => void) | undefined
  readonly sweep?: () => Promise<unknown>
}

export async function agreesWithModel(subject: Subject, numRuns: number): Promise<void> {
  const { pass } = subject
  const model = new ReferenceModel(subject.startMs)
  // Without a clock, times are long enough not to matter.
  const stretch = pass === undefined ? 1000 : 1
  const least = pass === undefined ? 600_000 : 0
  await fc.assert(
    fc.asyncProperty(operations(100), async (list) => {
      const run = new Run(subject, model, stretch, least)
      for (const operation of list) await run.do(operation)
    }),
    { numRuns },
  )
}

class Run {
  readonly #subject: Subject
  readonly #model: ReferenceModel
  readonly #stretch: number
  readonly #least: number
  readonly #ids = Array.from({ length: IDS }, newId)
  readonly #claims: Claim[] = []

  constructor(subject: Subject, model: ReferenceModel, stretch: number, least: number) {
    this.#subject = subject
    this.#model = model
    this.#stretch = stretch
    this.#least = least
  }

  async do(operation: Operation): Promise<void> {
    const { kind, which, fingerprint, ms } = operation
    const { store, pass, sweep } = this.#subject
    const id = this.#ids[which % IDS]!
    if (kind === 'claim') return this.#claim(id, operation)
    if (kind === 'read') return assert.deepEqual(seen(await store.read(id)), this.#model.see(id))
    if (kind === 'sweep') {
      await sweep?.()
      return
    }
    if (kind === 'pass') {
      if (pass === undefined) return
      pass(ms)
      this.#model.nowMs += ms
      return
    }
    const claim = this.#claims[which % Math.max(1, this.#claims.length)]
    if (claim === undefined) return
    const status = 200 + which
    const leaseMs = this.#long(ms)
    const held = await {
      dispatch: () => store.dispatch(claim, fingerprint, leaseMs),
      renew: () => store.renew(claim, fingerprint, leaseMs),
      complete: () => store.complete(claim, fingerprint, response({ status })),
      markUnknown: () => store.markUnknown(claim, fingerprint),
      release: () => store.release(claim),
    }[kind]()
    const expected = {
      dispatch: () => this.#model.work(claim, fingerprint, leaseMs, true),
      renew: () => this.#model.work(claim, fingerprint, leaseMs, false),
      complete: () => this.#model.settle(claim, fingerprint, 'completed', status),
      markUnknown: () => this.#model.settle(claim, fingerprint, 'unknown', 0),
      release: () => this.#model.release(claim),
    }[kind]()
    assert.equal(held, expected, kind)
  }

  #long(ms: number): number {
    return this.#least + ms * this.#stretch
  }

  async #claim(id: string, { fingerprint, ms, moreMs, overUnknown, which }: Operation): Promise<void> {
    const times = { leaseMs: this.#long(ms), ttlMs: this.#long(moreMs), graceMs: this.#long(which * 5) }
    const request = claimRequest(id, { fingerprint, overUnknown, ...times })
    const result = await this.#subject.store.claim(request)
    const expected = this.#model.claim(request)
    if (result.kind === 'exists') return assert.deepEqual(seen(result.record), expected)
    assert.equal(expected, undefined, 'the id was not free')
    const before = this.#claims.findLast((claim) => claim.id === id)
    assert.ok(before === undefined || result.claim.fence > before.fence, 'the fence grows')
    this.#claims.push(result.claim)
  }
}

function seen(record: IdempotencyRecord | undefined): Seen | undefined {
  if (record === undefined) return undefined
  const { state, fingerprint, response } = record
  return { state, fingerprint, status: response?.status ?? 0 }
}
