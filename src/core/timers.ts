/**
 * Deadlines without a timer each: owners keep a number, one sweep looks at them all. A kept-alive connection sets and
 * clears deadlines several times a request, so that this must cost an assignment and no more.
 */
import { nowUs } from './clock.ts'

/** Resolution of all deadlines, milliseconds: they fire at most this much late. */
export const SWEEP_MS = 50

/** Something with a deadline; a member of a {@link Sweeper} for as long as it lives. */
export interface Deadlined {
  /** Monotonic microseconds at which {@link onDeadline} is due; Infinity for none. */
  deadlineUs: number
  /** The deadline passed. It was set to Infinity before the call. */
  onDeadline(now: number): void
}

/** Looks at its members every {@link SWEEP_MS} while it has any. */
export class Sweeper {
  readonly #members = new Set<Deadlined>()
  #timer: NodeJS.Timeout | undefined

  add(member: Deadlined): void {
    this.#members.add(member)
    this.#timer ??= setInterval(() => this.#sweep(), SWEEP_MS).unref()
  }

  remove(member: Deadlined): void {
    this.#members.delete(member)
    if (this.#members.size === 0 && this.#timer !== undefined) {
      clearInterval(this.#timer)
      this.#timer = undefined
    }
  }

  #sweep(): void {
    const now = nowUs()
    for (const member of this.#members) {
      if (member.deadlineUs > now) continue
      member.deadlineUs = Number.POSITIVE_INFINITY
      member.onDeadline(now)
    }
  }
}
