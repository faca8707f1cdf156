/**
 * Bounds what a slow or broken store costs. All that a request waits for, from its claim to its outcome, shares one budget;
 * after some failures in a row the store is not asked any more until a probe in the background succeeds.
 *
 * What took too long may still take effect. A claim that does is given back. A dispatch that does is what the caller
 * makes of it: it releases what it did not send. Releases that failed are repeated when the store is back; those that
 * are lost with this process, the lease ends.
 */
import { nowUs } from '../core/clock.ts'
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
import { StoreProbe } from './probe.ts'
import { StoreError } from './store-error.ts'

export interface BreakerOptions {
  /** What a store may cost a request, all operations together. */
  readonly budgetMs: number
  /** Failures in a row after which it is not asked any more. */
  readonly failures: number
  /** First pause before a probe; it doubles up to `lastProbeMs`. */
  readonly firstProbeMs: number
  readonly lastProbeMs: number
  readonly log: Logger
}

export const DEFAULT_BREAKER: Omit<BreakerOptions, 'log'> = {
  budgetMs: 50,
  failures: 3,
  firstProbeMs: 250,
  lastProbeMs: 5000,
}

/** For metrics. */
export interface BreakerStatus {
  readonly open: boolean
  /** How often it opened. */
  readonly opened: number
  /** Operations that took too long. */
  readonly timeouts: number
  /** Operations that were not asked for. */
  readonly refused: number
  /** Releases that wait for the store to be back. */
  readonly owed: number
}

/** The least that an operation gets when its budget is spent. */
const LEAST_MS = 1
/** Releases that are remembered while the store is away. */
const MOST_OWED = 1024

export class Breaker implements IdempotencyStore {
  readonly name: IdempotencyStore['name']
  readonly #inner: IdempotencyStore
  readonly #options: BreakerOptions
  readonly #probe: StoreProbe
  readonly #refusal: StoreError
  readonly #tooLong: StoreError
  /** Milliseconds that the operations of a claim took so far. */
  readonly #spentMs = new WeakMap<Claim, number>()
  /** By owner: claims that were to be released while the store was away. */
  readonly #owed = new Map<string, Claim>()
  #failedInARow = 0
  #open = false
  #opened = 0
  #timeouts = 0
  #refused = 0

  constructor(inner: IdempotencyStore, options: BreakerOptions) {
    this.name = inner.name
    this.#inner = inner
    this.#options = options
    // One of each for all: a stack for each would cost more than what is saved.
    this.#refusal = new StoreError('down', `the ${inner.name} store failed, and is tried again in the background`)
    this.#tooLong = new StoreError('timeout', `the ${inner.name} store took more than ${options.budgetMs} ms`)
    this.#probe = new StoreProbe(inner, options, () => this.#close())
  }

  get status(): BreakerStatus {
    return {
      open: this.#open,
      opened: this.#opened,
      timeouts: this.#timeouts,
      refused: this.#refused,
      owed: this.#owed.size,
    }
  }

  claim(request: ClaimRequest): Soon<ClaimResult> {
    const startUs = nowUs()
    const answer = this.#ask(
      () => this.#inner.claim(request),
      this.#options.budgetMs,
      (late) => {
        if (late.kind === 'claimed') this.#giveBack(late.claim)
      },
    )
    if (!(answer instanceof Promise)) return answer
    return answer.then((result) => {
      if (result.kind === 'claimed') this.#spentMs.set(result.claim, msSince(startUs))
      return result
    })
  }

  dispatch(claim: Claim, fingerprint: string, leaseMs: number): Soon<boolean> {
    return this.#spend(claim, () => this.#inner.dispatch(claim, fingerprint, leaseMs))
  }

  /** No request waits for it. */
  renew(claim: Claim, fingerprint: string, leaseMs: number): Soon<boolean> {
    return this.#ask(() => this.#inner.renew(claim, fingerprint, leaseMs), this.#options.budgetMs)
  }

  complete(claim: Claim, fingerprint: string, response: StoredResponse): Soon<boolean> {
    const answer = this.#spend(claim, () => this.#inner.complete(claim, fingerprint, response))
    if (!(answer instanceof Promise)) return answer
    return answer.catch((error: unknown) => {
      // The request waits no longer: what is asked again for it, in the background, may take its time.
      this.#spentMs.delete(claim)
      throw error
    })
  }

  markUnknown(claim: Claim, fingerprint: string): Soon<boolean> {
    return this.#spend(claim, () => this.#inner.markUnknown(claim, fingerprint))
  }

  release(claim: Claim): Soon<boolean> {
    const answer = this.#spend(claim, () => this.#inner.release(claim))
    if (!(answer instanceof Promise)) return answer
    return answer.catch((error: unknown) => {
      this.#owe(claim)
      throw error
    })
  }

  read(id: string): Soon<IdempotencyRecord | undefined> {
    return this.#ask(() => this.#inner.read(id), this.#options.budgetMs)
  }

  changed(id: string, timeoutMs: number): Promise<void> {
    return this.#inner.changed(id, timeoutMs)
  }

  counts(): Soon<Readonly<Partial<Record<RecordState, number>>>> {
    return this.#ask(() => this.#inner.counts(), this.#options.budgetMs)
  }

  async close(): Promise<void> {
    this.#probe.stop()
    await this.#inner.close()
  }

  /** Ask within what is left of the claim's budget. */
  #spend(claim: Claim, operation: () => Soon<boolean>): Soon<boolean> {
    const spentMs = this.#spentMs.get(claim) ?? 0
    const startUs = nowUs()
    const answer = this.#ask(operation, Math.max(LEAST_MS, this.#options.budgetMs - spentMs))
    if (!(answer instanceof Promise)) return answer
    return answer.finally(() => {
      this.#spentMs.set(claim, spentMs + msSince(startUs))
    })
  }

  /** `late` gets an answer for which nobody waited any more. */
  #ask<T>(operation: () => Soon<T>, budgetMs: number, late?: (answer: T) => void): Soon<T> {
    if (this.#open) {
      this.#refused++
      return Promise.reject(this.#refusal)
    }
    let answer: Soon<T>
    try {
      answer = operation()
    } catch (error) {
      this.#failed(error)
      return Promise.reject(error)
    }
    if (!(answer instanceof Promise)) {
      this.#answered()
      return answer
    }
    return this.#race(answer, budgetMs, late)
  }

  #race<T>(answer: Promise<T>, budgetMs: number, late: ((answer: T) => void) | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      let state: 'waited' | 'answered' | 'tooLate' = 'waited'
      const expire = (): void => {
        if (state !== 'waited') return
        state = 'tooLate'
        this.#timeouts++
        // One that had less than the whole budget says nothing of the store.
        if (budgetMs >= this.#options.budgetMs) this.#failed(this.#tooLong)
        reject(this.#tooLong)
      }
      // Where it was this process that was busy, the answer may be here and unread: timers come before reads.
      const timer = setTimeout(() => setImmediate(expire), budgetMs)
      answer.then(
        (value) => {
          clearTimeout(timer)
          if (state === 'tooLate') {
            late?.(value)
            return
          }
          state = 'answered'
          this.#answered()
          resolve(value)
        },
        (error: unknown) => {
          clearTimeout(timer)
          if (state === 'tooLate') return
          state = 'answered'
          this.#failed(error)
          reject(error)
        },
      )
    })
  }

  /** Of what it did not take before one is tried again, so that a store that takes no release is not stormed with them. */
  #answered(): void {
    this.#failedInARow = 0
    if (this.#owed.size === 0) return
    const [owner, claim] = this.#owed.entries().next().value!
    this.#owed.delete(owner)
    this.#giveBack(claim)
  }

  #failed(error: unknown): void {
    // A store without room answers, and what is there can be read.
    if (error instanceof StoreError && (error.fault === 'full' || error.fault === 'closed')) return
    this.#failedInARow++
    if (this.#open || this.#failedInARow < this.#options.failures) return
    this.#open = true
    this.#opened++
    this.#options.log.warn({ store: this.name, err: error }, 'the idempotency store fails and is not asked for now')
    this.#probe.start()
  }

  #close(): void {
    this.#open = false
    this.#failedInARow = 0
    this.#options.log.info({ store: this.name }, 'the idempotency store is back')
    const owed = [...this.#owed.values()]
    this.#owed.clear()
    for (const claim of owed) this.#giveBack(claim)
  }

  /** Release in the background; nobody waits. */
  #giveBack(claim: Claim): void {
    Promise.resolve()
      .then(() => this.#inner.release(claim))
      .catch(() => this.#owe(claim))
  }

  #owe(claim: Claim): void {
    if (this.#owed.size < MOST_OWED) this.#owed.set(claim.owner, claim)
  }
}

const msSince = (startUs: number): number => (nowUs() - startUs) / 1000
