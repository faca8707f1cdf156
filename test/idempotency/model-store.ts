/**
 * The port as plainly as it can be written, with a clock in the hands of the test: what stages are tested against where a
 * real store would not let time move, and what a model-based test holds them to.
 */
import type {
  Claim,
  ClaimRequest,
  ClaimResult,
  IdempotencyRecord,
  IdempotencyStore,
  RecordState,
  Soon,
  StoredResponse,
} from '../../src/exchange/idempotency-store.ts'

interface Kept {
  state: RecordState
  fingerprint: string
  createdMs: number
  requestId: string
  traceparent: string
  response: StoredResponse | undefined
  owner: string
  fence: number
  leaseUntilMs: number
  expiresMs: number
  forgottenMs: number
}

export type Operation = 'claim' | 'dispatch' | 'renew' | 'complete' | 'markUnknown' | 'release' | 'read'

export class ModelStore implements IdempotencyStore {
  readonly name = 'memory'
  readonly records = new Map<string, Kept>()
  /** Operations in the order in which they took effect. */
  readonly log: Operation[] = []
  nowMs = 1_000_000
  #fence = 0
  readonly #watchers = new Map<string, Set<() => void>>()
  /** What happens around an operation: throw or wait here. Undefined: every answer is there at once. */
  around: ((operation: Operation) => Promise<void> | undefined) | undefined

  #do<T>(operation: Operation, effect: () => T): Soon<T> {
    const run = (): T => {
      this.log.push(operation)
      return effect()
    }
    const before = this.around?.(operation)
    return before === undefined ? run() : before.then(run)
  }

  #of(id: string): Kept | undefined {
    const kept = this.records.get(id)
    if (kept === undefined) return undefined
    if (this.nowMs >= kept.forgottenMs) return undefined
    if (this.nowMs >= kept.expiresMs) kept.state = 'expired'
    else if (this.nowMs >= kept.leaseUntilMs && kept.state === 'claimed') return undefined
    else if (this.nowMs >= kept.leaseUntilMs && kept.state === 'dispatched') kept.state = 'unknown'
    return kept
  }

  claim(request: ClaimRequest): Soon<ClaimResult> {
    return this.#do('claim', () => {
      const kept = this.#of(request.id)
      if (kept !== undefined && !(kept.state === 'unknown' && request.overUnknown)) {
        return { kind: 'exists', record: view(kept) }
      }
      const { id, owner, fingerprint, requestId, traceparent } = request
      const fence = ++this.#fence
      this.records.set(id, {
        state: 'claimed',
        fingerprint,
        createdMs: this.nowMs,
        requestId,
        traceparent,
        response: undefined,
        owner,
        fence,
        leaseUntilMs: this.nowMs + request.leaseMs,
        expiresMs: this.nowMs + request.ttlMs,
        forgottenMs: this.nowMs + request.ttlMs + request.graceMs,
      })
      return { kind: 'claimed', claim: { id, owner, fence } }
    })
  }

  /** The record of a claim that nobody claimed over, in one of these states. */
  #held(claim: Claim, states: readonly RecordState[]): Kept | undefined {
    const kept = this.#of(claim.id)
    const held = kept?.owner === claim.owner && kept.fence === claim.fence
    return held && states.includes(kept.state) ? kept : undefined
  }

  #change(operation: Operation, claim: Claim, fingerprint: string, effect: (kept: Kept) => void): Soon<boolean> {
    // What the owner knows of the outcome beats doubt; work stops with the lease.
    const settles = operation === 'complete' || operation === 'markUnknown' || operation === 'release'
    const states: RecordState[] = settles ? ['claimed', 'dispatched', 'unknown'] : ['claimed', 'dispatched']
    return this.#do(operation, () => {
      const kept = this.#held(claim, states)
      if (kept === undefined) return false
      if (fingerprint !== '') kept.fingerprint = fingerprint
      effect(kept)
      this.#tell(claim.id)
      return true
    })
  }

  dispatch(claim: Claim, fingerprint: string, leaseMs: number): Soon<boolean> {
    return this.#change('dispatch', claim, fingerprint, (kept) => {
      kept.state = 'dispatched'
      kept.leaseUntilMs = this.nowMs + leaseMs
    })
  }

  renew(claim: Claim, fingerprint: string, leaseMs: number): Soon<boolean> {
    return this.#change('renew', claim, fingerprint, (kept) => {
      kept.leaseUntilMs = this.nowMs + leaseMs
    })
  }

  complete(claim: Claim, fingerprint: string, response: StoredResponse): Soon<boolean> {
    return this.#change('complete', claim, fingerprint, (kept) => {
      kept.state = 'completed'
      kept.response = response
    })
  }

  markUnknown(claim: Claim, fingerprint: string): Soon<boolean> {
    return this.#change('markUnknown', claim, fingerprint, (kept) => {
      kept.state = 'unknown'
    })
  }

  release(claim: Claim): Soon<boolean> {
    return this.#change('release', claim, '', () => {
      this.records.delete(claim.id)
    })
  }

  read(id: string): Soon<IdempotencyRecord | undefined> {
    return this.#do('read', () => {
      const kept = this.#of(id)
      return kept === undefined ? undefined : view(kept)
    })
  }

  changed(id: string, timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const watchers = this.#watchers.get(id) ?? new Set()
      this.#watchers.set(id, watchers)
      const done = (): void => {
        clearTimeout(timer)
        watchers.delete(done)
        resolve()
      }
      const timer = setTimeout(done, timeoutMs).unref()
      watchers.add(done)
    })
  }

  #tell(id: string): void {
    for (const watcher of [...(this.#watchers.get(id) ?? [])]) watcher()
  }

  counts(): Partial<Record<RecordState, number>> {
    const counts: Partial<Record<RecordState, number>> = {}
    for (const id of this.records.keys()) {
      const state = this.#of(id)?.state
      if (state !== undefined) counts[state] = (counts[state] ?? 0) + 1
    }
    return counts
  }

  async close(): Promise<void> {}
}

function view({ state, fingerprint, createdMs, requestId, traceparent, response }: Kept): IdempotencyRecord {
  return { state, fingerprint, createdMs, requestId, traceparent, response }
}
