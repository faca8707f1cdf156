/**
 * How the telemetry thread works through the ring where it may share its core with the data thread: in turns, with pauses
 * between them, and within a turn in portions after which the core is free for whoever waits for it (ADR 92).
 */
import type { RingReader } from './ring.ts'

/** Records in one go, one or two milliseconds. Shorter turns cost both threads more, who find their caches cold after each. */
const TURN_RECORDS = 256
/** Some 50 microseconds: what a request waits at most. */
const PORTION_RECORDS = 8
/** Who gets the core back only after this time shares it with a thread that would take all of it. */
const LONG_MS = 1
/** From this share of the ring on there is no time to give away. */
const HURRY = 0.5

type Visit = Parameters<RingReader['drain']>[0]

/** What {@link Turns.take} came to: nothing is left, or there is more for a turn after a pause, or at once. */
export type TurnEnd = 'empty' | 'pause' | 'hurry'

export class Turns {
  readonly #reader: RingReader
  readonly #visit: Visit
  readonly #giveWay: () => number
  #isGivingWay = true

  /** `giveWay` lets a thread that waits for this core go first, and gives the milliseconds that it took. */
  constructor(reader: RingReader, visit: Visit, giveWay: () => number) {
    this.#reader = reader
    this.#visit = visit
    this.#giveWay = giveWay
  }

  /** Hand out the records of one turn. */
  take(): TurnEnd {
    if (this.#drain() < TURN_RECORDS) {
      this.#isGivingWay = true
      return 'empty'
    }
    return this.#reader.fill < HURRY ? 'pause' : 'hurry'
  }

  #drain(): number {
    let count = 0
    this.#isGivingWay &&= this.#reader.fill < HURRY
    while (this.#isGivingWay && count < TURN_RECORDS) {
      const taken = this.#reader.drain(this.#visit, PORTION_RECORDS)
      count += taken
      if (taken < PORTION_RECORDS) return count
      // A busy data thread is asked once until the ring is empty: both would lose by taking turns.
      this.#isGivingWay = this.#giveWay() < LONG_MS
    }
    return count + this.#reader.drain(this.#visit, TURN_RECORDS - count)
  }
}
