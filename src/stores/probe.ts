/** Tries a store that failed, in the background, until it takes a claim and gives it back in time. */
import { randomBytes } from 'node:crypto'
import type { Claim, IdempotencyStore } from '../exchange/idempotency-store.ts'
import { StoreError } from './store-error.ts'

export interface ProbeOptions {
  /** A probe that takes longer has failed. */
  readonly budgetMs: number
  readonly firstProbeMs: number
  readonly lastProbeMs: number
}

/** What a probe leaves behind where its release fails, it leaves for so long. */
const LEASE_MS = 1000

export class StoreProbe {
  readonly #store: IdempotencyStore
  readonly #options: ProbeOptions
  readonly #onBack: () => void
  #timer: NodeJS.Timeout | undefined
  #pauseMs = 0
  /** Probes that the store has not answered yet: there is never more than one. */
  #underWay = false
  #stopped = false

  constructor(store: IdempotencyStore, options: ProbeOptions, onBack: () => void) {
    this.#store = store
    this.#options = options
    this.#onBack = onBack
  }

  start(): void {
    this.#pauseMs = this.#options.firstProbeMs
    this.#arm()
  }

  #arm(): void {
    if (this.#stopped) return
    this.#timer = setTimeout(() => {
      void this.#turn()
    }, this.#pauseMs).unref()
  }

  async #turn(): Promise<void> {
    this.#pauseMs = Math.min(this.#options.lastProbeMs, this.#pauseMs * 2)
    if (this.#underWay) {
      this.#arm()
      return
    }
    this.#underWay = true
    const startMs = performance.now()
    const answered = await this.#answers()
    this.#underWay = false
    if (this.#stopped) return
    if (answered && performance.now() - startMs <= this.#options.budgetMs) this.#onBack()
    else this.#arm()
  }

  /** Whether it takes a write, at whatever time. A full one does: it answers. */
  async #answers(): Promise<boolean> {
    try {
      const claim = await this.#claim()
      if (claim !== undefined) await this.#store.release(claim)
      return true
    } catch (error) {
      return error instanceof StoreError && error.fault === 'full'
    }
  }

  async #claim(): Promise<Claim | undefined> {
    const owner = randomBytes(16).toString('hex')
    const result = await this.#store.claim({
      id: `probe-${owner}`,
      owner,
      fingerprint: '',
      requestId: '',
      traceparent: '',
      leaseMs: LEASE_MS,
      ttlMs: LEASE_MS,
      graceMs: 0,
      overUnknown: false,
    })
    return result.kind === 'claimed' ? result.claim : undefined
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }
}
