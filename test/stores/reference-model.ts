/** What a store is, in as few words as it takes: the property tests hold the real ones to it. */
import type { Claim, ClaimRequest, RecordState } from '../../src/exchange/idempotency-store.ts'

interface Kept {
  phase: Exclude<RecordState, 'expired'>
  fingerprint: string
  owner: string
  leaseMs: number
  readonly expiresMs: number
  readonly forgottenMs: number
  status: number
}

/** What can be seen of a record. */
export interface Seen {
  readonly state: RecordState
  readonly fingerprint: string
  /** Of the response, 0 where there is none. */
  readonly status: number
}

export class ReferenceModel {
  nowMs: number
  readonly #records = new Map<string, Kept>()

  constructor(nowMs: number) {
    this.nowMs = nowMs
  }

  see(id: string): Seen | undefined {
    const kept = this.#records.get(id)
    const state = kept === undefined ? undefined : this.#stateOf(kept)
    if (kept === undefined || state === undefined) return undefined
    return { state, fingerprint: kept.fingerprint, status: state === 'completed' ? kept.status : 0 }
  }

  /** Undefined: free. */
  #stateOf({ phase, leaseMs, expiresMs, forgottenMs }: Kept): RecordState | undefined {
    const working = this.nowMs < leaseMs
    if (phase === 'claimed') return working ? phase : undefined
    if (phase === 'dispatched' && working) return phase
    if (this.nowMs >= forgottenMs) return undefined
    if (this.nowMs >= expiresMs) return 'expired'
    return phase === 'dispatched' ? 'unknown' : phase
  }

  /** Undefined: claimed. */
  claim(request: ClaimRequest): Seen | undefined {
    const seen = this.see(request.id)
    if (seen !== undefined && !(seen.state === 'unknown' && request.overUnknown)) return seen
    const expiresMs = this.nowMs + request.ttlMs
    this.#records.set(request.id, {
      phase: 'claimed',
      fingerprint: request.fingerprint,
      owner: request.owner,
      leaseMs: this.nowMs + request.leaseMs,
      expiresMs,
      forgottenMs: expiresMs + request.graceMs,
      status: 0,
    })
    return undefined
  }

  #ofOwner({ id, owner }: Claim, ...states: readonly RecordState[]): Kept | undefined {
    const kept = this.#records.get(id)
    const state = this.see(id)?.state
    return kept?.owner === owner && state !== undefined && states.includes(state) ? kept : undefined
  }

  work(claim: Claim, fingerprint: string, leaseMs: number, dispatch: boolean): boolean {
    const kept = this.#ofOwner(claim, 'claimed', 'dispatched')
    if (kept === undefined) return false
    if (dispatch) kept.phase = 'dispatched'
    if (fingerprint !== '') kept.fingerprint = fingerprint
    kept.leaseMs = this.nowMs + leaseMs
    return true
  }

  settle(claim: Claim, fingerprint: string, phase: 'completed' | 'unknown', status: number): boolean {
    if (phase === 'completed' && this.#ofOwner(claim, 'completed') !== undefined) return true
    const kept = this.#ofOwner(claim, 'claimed', 'dispatched', 'unknown')
    if (kept === undefined) return false
    Object.assign(kept, { phase, status, fingerprint: fingerprint === '' ? kept.fingerprint : fingerprint })
    return true
  }

  release(claim: Claim): boolean {
    const held = this.#ofOwner(claim, 'claimed', 'dispatched', 'unknown') !== undefined
    if (held) this.#records.delete(claim.id)
    return held
  }
}
