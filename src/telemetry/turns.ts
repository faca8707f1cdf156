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

/** Nothing is left, or there is more for a turn after a pause, or at once. */
export type TurnEnd = 'empty' | 'pause' | 'hurry'

/**
 * Hand out the records of one turn. `giveWay` lets a thread that waits for this core go first, and gives the milliseconds that
 * it took.
 */
export function takeTurn(reader: RingReader, visit: Visit, giveWay: () => number): TurnEnd {
  let count = 0
  let isGivingWay = reader.fill < HURRY
  while (isGivingWay && count < TURN_RECORDS) {
    const taken = reader.drain(visit, PORTION_RECORDS)
    count += taken
    if (taken < PORTION_RECORDS) return 'empty'
    // A busy data thread is asked once: both would lose by taking turns.
    isGivingWay = giveWay() < LONG_MS
  }
  count += reader.drain(visit, TURN_RECORDS - count)
  if (count < TURN_RECORDS) return 'empty'
  return reader.fill < HURRY ? 'pause' : 'hurry'
}
