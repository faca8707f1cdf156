/**
 * Records that requests of this process wait for and another process may change: looked at in growing steps, all by one
 * timer. What this process changes is told at once.
 */
import type { Soon } from '../exchange/idempotency-store.ts'
import { Waiters } from './waiters.ts'

/** A record at a moment, for those who wait for it. */
export interface Look {
  /** Claimed or dispatched, its lease running. */
  readonly inFlight: boolean
  /** Differs where something of interest changed. */
  readonly token: string | number
}

const FIRST_LOOK_MS = 2
/** Records looked at in one turn. */
const LOOKS = 256
/** A look that takes longer is not waited for. */
const PATIENCE_MS = 1000

export class Watch {
  readonly #look: (id: string) => Soon<Look>
  readonly #lastLookMs: number
  readonly #waiters = new Waiters()
  /** What each record was like when it was first looked at for its waiters. */
  readonly #tokens = new Map<string, string | number | undefined>()
  #timer: NodeJS.Timeout | undefined
  #delayMs = FIRST_LOOK_MS
  #closed = false

  /** Looks are `lastLookMs` apart at the most. One that throws or rejects is tried again. */
  constructor(look: (id: string) => Soon<Look>, lastLookMs: number) {
    this.#look = look
    this.#lastLookMs = lastLookMs
  }

  /** Resolves when the record changed or is not in flight, or in time. Never rejects. */
  async wait(id: string, timeoutMs: number): Promise<void> {
    if (this.#closed) return
    if (!this.#tokens.has(id)) this.#tokens.set(id, undefined)
    const waited = this.#waiters.wait(id, timeoutMs)
    void this.#visit(id)
    this.#delayMs = FIRST_LOOK_MS
    this.#arm()
    await waited
    if (!this.#waiters.has(id)) this.#tokens.delete(id)
  }

  /** The record changed. */
  notify(id: string): void {
    if (!this.#waiters.has(id)) return
    this.#tokens.delete(id)
    this.#waiters.notify(id)
  }

  #arm(): void {
    this.#timer ??= setTimeout(() => void this.#turn(), this.#delayMs)
  }

  async #turn(): Promise<void> {
    const ids = [...this.#tokens.keys()].slice(0, LOOKS)
    for (const id of ids) {
      // Last in line, where there are more than one turn can look at.
      const token = this.#tokens.get(id)
      this.#tokens.delete(id)
      this.#tokens.set(id, token)
    }
    await within(PATIENCE_MS, Promise.all(ids.map((id) => this.#visit(id))))
    this.#timer = undefined
    this.#delayMs = Math.min(this.#lastLookMs, this.#delayMs * 2)
    if (this.#waiters.size > 0 && !this.#closed) this.#arm()
  }

  async #visit(id: string): Promise<void> {
    try {
      const { inFlight, token } = await this.#look(id)
      if (!this.#tokens.has(id)) return
      const before = this.#tokens.get(id)
      if (!inFlight || (before !== undefined && before !== token)) this.notify(id)
      else this.#tokens.set(id, token)
    } catch {
      // A store that cannot be asked: the wait ends in time, and what is asked then tells the failure.
    }
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#waiters.close()
  }
}

/** Resolves with the promise, or after `ms`. */
function within(ms: number, promise: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    void promise.then(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}
