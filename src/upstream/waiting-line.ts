/** Attempts that wait for a connection or a stream, first come, first served; none waits without end. */
import { nowUs } from '../core/clock.ts'
import type { Deadlined, Sweeper } from '../core/timers.ts'

export class WaitingLine<A extends object> implements Deadlined {
  readonly #sweeper: Sweeper
  readonly #limitMs: () => number
  readonly #onOverdue: (attempt: A) => void
  /** Since when each waits, the longest first. */
  readonly #sinceUs = new Map<A, number>()
  /** Each sweep looks: the limit may change meanwhile, and who waits is rare enough. */
  deadlineUs = 0

  /** `limitMs`: how long one may wait, asked at each look. `onOverdue`: one has, and is no longer in the line. */
  constructor(sweeper: Sweeper, limitMs: () => number, onOverdue: (attempt: A) => void) {
    this.#sweeper = sweeper
    this.#limitMs = limitMs
    this.#onOverdue = onOverdue
  }

  get length(): number {
    return this.#sinceUs.size
  }

  /** Who has waited longest. */
  get first(): A | undefined {
    return this.#sinceUs.size === 0 ? undefined : this.#sinceUs.keys().next().value
  }

  push(attempt: A): void {
    // Not the exchange's own stamp: that counts from before a handshake which settled the protocol.
    this.#sinceUs.set(attempt, nowUs())
    if (this.#sinceUs.size === 1) this.#sweeper.add(this)
  }

  /** Take out who has waited longest. */
  shift(): A | undefined {
    const { first } = this
    if (first !== undefined) this.remove(first)
    return first
  }

  /** Take out all, in the order of the line. */
  takeAll(): A[] {
    const all = [...this.#sinceUs.keys()]
    for (const attempt of all) this.remove(attempt)
    return all
  }

  /** It waits no more, if it did. */
  remove(attempt: A): void {
    if (this.#sinceUs.delete(attempt) && this.#sinceUs.size === 0) this.#sweeper.remove(this)
  }

  onDeadline(now: number): void {
    this.deadlineUs = 0
    for (const [attempt, sinceUs] of this.#sinceUs) {
      if (now - sinceUs < this.#limitMs() * 1000) return
      this.remove(attempt)
      this.#onOverdue(attempt)
    }
  }
}
