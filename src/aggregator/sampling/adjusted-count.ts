/**
 * How many spans a span stands for, by the threshold in its tracestate (OpenTelemetry, tracestate-probability-sampling.md).
 * Read off the bytes of a scan; the same text comes again and again, so that the last one is remembered.
 */
import { paddedThreshold, probabilityOf, readOt } from '../../core/sampling.ts'

/** Whatever a sender claims, one span is no more than this; what a request brought from outside may claim it, too. */
const MAX_BY_THRESHOLD = 1e4
const MAX_COUNT = 1e6
const RANDOM_BYTES = 7

export class AdjustedCounts {
  #text = Buffer.alloc(0)
  #count = 1
  /** Least random bytes that the threshold keeps; undefined: any. */
  #least: Buffer | undefined
  #isZero = false

  /**
   * Of a span with this tracestate in a trace whose id has its random bytes at `randomAt`. 1 where nothing is said, or
   * what is said cannot be. `recorded`: written out by a flight recorder, though its trace was not sampled; those that are
   * always written out say so by a threshold of 0, the others are there for their trace's sake and count for none.
   */
  of(bytes: Uint8Array, at: number, end: number, randomAt: number, recorded: boolean): number {
    if (at === end) return recorded ? 0 : 1
    this.#read(bytes, at, end)
    if (recorded) return this.#isZero ? 1 : 0
    const least = this.#least
    if (least === undefined) return this.#count
    for (let i = 0; i < RANDOM_BYTES; i++) {
      const difference = bytes[randomAt + i]! - least[i]!
      if (difference !== 0) return difference > 0 ? this.#count : 1
    }
    return this.#count
  }

  #read(bytes: Uint8Array, at: number, end: number): void {
    const known = this.#text
    const length = end - at
    let same = known.length === length
    for (let i = 0; same && i < length; i++) same = known[i] === bytes[at + i]
    if (same) return
    this.#text = Buffer.from(bytes.subarray(at, end))
    const { th, rv } = readOt(this.#text.toString('latin1'))
    const share = th === undefined ? 1 : probabilityOf(th)
    this.#isZero = th !== undefined && share === 1
    const possible = th === undefined || rv === undefined || rv >= paddedThreshold(th)
    this.#count = possible ? Math.min(MAX_BY_THRESHOLD, 1 / share) : 1
    this.#least =
      th === undefined || rv !== undefined || share === 1 ? undefined : Buffer.from(paddedThreshold(th), 'hex')
  }
}

/** A double that says for how many spans one stands, -1 where it cannot. */
export function countAt(bytes: Uint8Array, at: number): number {
  const count = new DataView(bytes.buffer, bytes.byteOffset + at, 8).getFloat64(0, true)
  return count >= 0 ? Math.min(MAX_COUNT, count) : -1
}
