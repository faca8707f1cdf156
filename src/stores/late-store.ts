/** A store that could not be opened yet: every operation is rejected while it is tried again in the background. */
import type { Logger } from '../core/log.ts'
import type {
  Claim,
  ClaimRequest,
  ClaimResult,
  IdempotencyRecord,
  IdempotencyStore,
  RecordState,
  Soon,
  StoredResponse,
} from '../exchange/idempotency-store.ts'
import { asStoreError, StoreError } from './store-error.ts'

const FIRST_PAUSE_MS = 1000
const LAST_PAUSE_MS = 30_000

export class LateStore implements IdempotencyStore {
  readonly name: IdempotencyStore['name']
  readonly #open: () => Promise<IdempotencyStore>
  readonly #log: Logger
  #inner: IdempotencyStore | undefined
  #failure = new StoreError('down', 'the store is not open yet')
  #timer: NodeJS.Timeout | undefined
  #pauseMs = FIRST_PAUSE_MS
  #closed = false

  constructor(name: IdempotencyStore['name'], open: () => Promise<IdempotencyStore>, log: Logger) {
    this.name = name
    this.#open = open
    this.#log = log
  }

  /** Resolves after the first try, however it ended. */
  async start(): Promise<void> {
    try {
      const inner = await this.#open()
      if (this.#closed) await inner.close()
      else this.#inner = inner
    } catch (error) {
      this.#failure = asStoreError(error, `opening the ${this.name} store`)
      this.#log.warn({ store: this.name, err: this.#failure }, 'the idempotency store cannot be opened')
      this.#timer = setTimeout(() => void this.start(), this.#pauseMs).unref()
      this.#pauseMs = Math.min(LAST_PAUSE_MS, this.#pauseMs * 2)
    }
  }

  /** The store once it is open. */
  get inner(): IdempotencyStore | undefined {
    return this.#inner
  }

  claim(request: ClaimRequest): Soon<ClaimResult> {
    return this.#inner === undefined ? this.#reject() : this.#inner.claim(request)
  }

  dispatch(claim: Claim, fingerprint: string, leaseMs: number): Soon<boolean> {
    return this.#inner === undefined ? this.#reject() : this.#inner.dispatch(claim, fingerprint, leaseMs)
  }

  renew(claim: Claim, fingerprint: string, leaseMs: number): Soon<boolean> {
    return this.#inner === undefined ? this.#reject() : this.#inner.renew(claim, fingerprint, leaseMs)
  }

  complete(claim: Claim, fingerprint: string, response: StoredResponse): Soon<boolean> {
    return this.#inner === undefined ? this.#reject() : this.#inner.complete(claim, fingerprint, response)
  }

  markUnknown(claim: Claim, fingerprint: string): Soon<boolean> {
    return this.#inner === undefined ? this.#reject() : this.#inner.markUnknown(claim, fingerprint)
  }

  release(claim: Claim): Soon<boolean> {
    return this.#inner === undefined ? this.#reject() : this.#inner.release(claim)
  }

  read(id: string): Soon<IdempotencyRecord | undefined> {
    return this.#inner === undefined ? this.#reject() : this.#inner.read(id)
  }

  async changed(id: string, timeoutMs: number): Promise<void> {
    if (this.#inner !== undefined) return this.#inner.changed(id, timeoutMs)
    await new Promise((resolve) => setTimeout(resolve, timeoutMs))
  }

  counts(): Soon<Readonly<Partial<Record<RecordState, number>>>> {
    return this.#inner === undefined ? this.#reject() : this.#inner.counts()
  }

  #reject<T>(): Promise<T> {
    return Promise.reject(this.#failure)
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#inner?.close()
  }
}
