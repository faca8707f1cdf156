/** Counts of microseconds in 1 µs buckets up to two seconds; longer times count as the last. */
const BUCKETS = 2_000_000

/** Latencies of one measurement. */
export class Histogram {
  readonly #counts = new Uint32Array(BUCKETS)
  count = 0

  add(us: number): void {
    const bucket = us < 0 ? 0 : us >= BUCKETS ? BUCKETS - 1 : us | 0
    this.#counts[bucket]!++
    this.count++
  }

  /** Smallest time that `share` (0 to 1) of the counted ones do not pass; 0 when empty. */
  percentile(share: number): number {
    const rank = Math.max(1, Math.ceil(this.count * share))
    let seen = 0
    for (let us = 0; us < BUCKETS; us++) {
      seen += this.#counts[us]!
      if (seen >= rank) return us
    }
    return 0
  }
}
