/** Segments that wait, in their order, until what is still missing of their traces had time to come. */

import type { Edge } from '../store/pairing.ts'
import type { SharedSegment } from '../store/protocol.ts'

export interface Held {
  readonly segment: SharedSegment
  /** Hops that were found when it came. */
  readonly edges: readonly Edge[]
  readonly sinceMs: number
}

export class HeldSegments {
  readonly #waitMs: number
  readonly #most: number
  readonly #held: Held[] = []
  /** Segments that were decided on before their time, so that memory stays bounded. */
  early = 0

  /** `most`: segments at once; with more, the first is due at once. */
  constructor(waitMs: number, most: number) {
    this.#waitMs = waitMs
    this.#most = most
  }

  add(held: Held): void {
    this.#held.push(held)
  }

  /** The next that is due, undefined where there is none. It stays until {@link done}. */
  due(nowMs: number, all = false): Held | undefined {
    const [first] = this.#held
    if (first === undefined) return undefined
    return all || this.#held.length > this.#most || nowMs - first.sinceMs >= this.#waitMs ? first : undefined
  }

  /** The one that was due is stored. */
  done(nowMs: number): void {
    const first = this.#held.shift()
    if (first !== undefined && nowMs - first.sinceMs < this.#waitMs) this.early++
  }
}

/** Segments that may wait: those that are sealed within the time, and one more. Each has 23 MiB when it is full. */
export const segmentsHeld = (waitMs: number, sealMs: number): number => Math.min(32, Math.ceil(waitMs / sealMs) + 1)
