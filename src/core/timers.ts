/**
 * Deadlines without a timer each: owners keep a number, one sweep looks at them all. A kept-alive connection sets and
 * clears deadlines several times a request, so that this must cost an assignment and no more.
 */
import { nowUs } from './clock.ts'

/** Resolution of all deadlines, milliseconds: they fire at most this much late. */
export const SWEEP_MS = 50

/** Longest time between two looks at what is under way. */
const LOOK_MS = 1000

/** A timeout that only a look finds is late by this share of itself at most (and {@link SWEEP_MS}). */
const LATE_SHARE = 1 / 8

/** How often to look at something that these three timeouts bound, microseconds. They are milliseconds; 0 is off. */
export function lookUs(a: number, b: number, c: number): number {
  const shortest = shorter(a, shorter(b, c))
  return shortest === 0 ? LOOK_MS * 1000 : Math.min(LOOK_MS, Math.max(SWEEP_MS, shortest * LATE_SHARE)) * 1000
}

/** Of two timeouts; one that is off is longer than any. */
const shorter = (a: number, b: number): number => (a === 0 || (b !== 0 && b < a) ? b : a)

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
