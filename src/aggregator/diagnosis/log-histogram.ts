/**
 * A sketch of durations: counts by powers of 1.25 from a microsecond to half a minute, so that a quantile is within an
 * eighth of the truth wherever it lies (the idea of DDSketch, at a fixed size of 160 bytes). Old counts fade when it
 * fills. A sketch is a part of an array that many share: its counts, then their total.
 */

const RATIO = Math.log(1.25)
const BUCKETS = 79
/** Items of the array that a sketch takes. */
export const SKETCH = BUCKETS + 1
/** With so many counts in all, each is halved: what is new counts the more. */
const MOST = 16_384

function bucketOf(us: number): number {
  return us <= 1 ? 0 : Math.min(BUCKETS - 1, Math.floor(Math.log(us) / RATIO) + 1)
}

/** Count `us` microseconds in the sketch at `at`. */
export function addTo(sketches: Uint16Array, at: number, us: number): void {
  sketches[at + bucketOf(us)]!++
  if (++sketches[at + BUCKETS]! >= MOST) fade(sketches, at)
}

/** Add the sketch at `from` to the one at `at`. */
export function mergeInto(sketches: Uint16Array, at: number, from: number): void {
  if (totalOf(sketches, at) + totalOf(sketches, from) >= MOST) fade(sketches, at)
  // Neither has MOST, so that no count can overflow.
  for (let i = 0; i < SKETCH; i++) sketches[at + i]! += sketches[from + i]!
  if (totalOf(sketches, at) >= MOST) fade(sketches, at)
}

export function totalOf(sketches: Uint16Array, at: number): number {
  return sketches[at + BUCKETS]!
}

/** Microseconds, between the ends of a bucket by the rank there; 0 where nothing was counted. */
export function quantileIn(sketches: Uint16Array, at: number, share: number): number {
  let rank = share * totalOf(sketches, at)
  for (let i = 0; i < BUCKETS; i++) {
    const count = sketches[at + i]!
    if (rank <= count && count > 0) return i === 0 ? rank / count : Math.exp((i - 1 + rank / count) * RATIO)
    rank -= count
  }
  return 0
}

function fade(sketches: Uint16Array, at: number): void {
  let total = 0
  for (let i = 0; i < BUCKETS; i++) total += sketches[at + i]! >>>= 1
  sketches[at + BUCKETS] = total
}
