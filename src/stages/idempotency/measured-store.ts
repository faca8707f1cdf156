/** A store whose operations are timed, for metrics. */
import { nowUs } from '../../core/clock.ts'
import type {
  Claim,
  ClaimRequest,
  ClaimResult,
  IdempotencyRecord,
  IdempotencyStore,
  RecordState,
  Soon,
  StoredResponse,
} from '../../exchange/idempotency-store.ts'

export const STORE_OPERATIONS = ['claim', 'dispatch', 'renew', 'complete', 'markUnknown', 'release', 'read'] as const
export type StoreOperation = (typeof STORE_OPERATIONS)[number]

/** Called once an operation has been answered, or has failed. */
export type OnOperation = (operation: StoreOperation, us: number, ok: boolean) => void

export class MeasuredStore implements IdempotencyStore {
  readonly name: IdempotencyStore['name']
  readonly #store: IdempotencyStore
  readonly #onOperation: OnOperation

  constructor(store: IdempotencyStore, onOperation: OnOperation) {
    this.name = store.name
    this.#store = store
    this.#onOperation = onOperation
  }

  #told<T>(operation: StoreOperation, startUs: number, answer: Soon<T>): Soon<T> {
    if (answer instanceof Promise) return this.#later(operation, startUs, answer)
    this.#onOperation(operation, nowUs() - startUs, true)
    return answer
  }

  async #later<T>(operation: StoreOperation, startUs: number, answer: Promise<T>): Promise<T> {
    let ok = false
    try {
      const value = await answer
      ok = true
      return value
    } finally {
      this.#onOperation(operation, nowUs() - startUs, ok)
    }
  }

  claim(request: ClaimRequest): Soon<ClaimResult> {
    const startUs = nowUs()
    return this.#told('claim', startUs, this.#store.claim(request))
  }

  dispatch(claim: Claim, fingerprint: string, leaseMs: number): Soon<boolean> {
    const startUs = nowUs()
    return this.#told('dispatch', startUs, this.#store.dispatch(claim, fingerprint, leaseMs))
  }

  renew(claim: Claim, fingerprint: string, leaseMs: number): Soon<boolean> {
    const startUs = nowUs()
    return this.#told('renew', startUs, this.#store.renew(claim, fingerprint, leaseMs))
  }

  complete(claim: Claim, fingerprint: string, response: StoredResponse): Soon<boolean> {
    const startUs = nowUs()
    return this.#told('complete', startUs, this.#store.complete(claim, fingerprint, response))
  }

  markUnknown(claim: Claim, fingerprint: string): Soon<boolean> {
    const startUs = nowUs()
    return this.#told('markUnknown', startUs, this.#store.markUnknown(claim, fingerprint))
  }

  release(claim: Claim): Soon<boolean> {
    const startUs = nowUs()
    return this.#told('release', startUs, this.#store.release(claim))
  }

  read(id: string): Soon<IdempotencyRecord | undefined> {
    const startUs = nowUs()
    return this.#told('read', startUs, this.#store.read(id))
  }

  changed(id: string, timeoutMs: number): Promise<void> {
    return this.#store.changed(id, timeoutMs)
  }

  counts(): Soon<Readonly<Partial<Record<RecordState, number>>>> {
    return this.#store.counts()
  }

  close(): Promise<void> {
    return this.#store.close()
  }
}
