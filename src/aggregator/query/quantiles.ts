/** Durations counted in buckets of a quarter of a doubling, so that counts of several files add up to quantiles. */
import { isMeasureSql } from '../measure.ts'

/** Of a duration that is no measure: a call like any other, in no quantile. */
export const NO_BUCKET = -1

/** SQL for the bucket of a duration in microseconds. */
export const bucketSql = (us: string): string =>
  `CASE WHEN ${isMeasureSql(us)} THEN floor(4 * log2(greatest(${us}, 0) + 1))::INTEGER ELSE ${NO_BUCKET} END`

/** Microseconds at which a bucket begins; the next one begins where it ends. */
export const bucketStartUs = (bucket: number): number => 2 ** (bucket / 4) - 1

export class Durations {
  readonly #counts = new Map<number, number>()
  total = 0

  add(bucket: number, count: number): void {
    if (bucket === NO_BUCKET) return
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + count)
    this.total += count
  }

  /** Microseconds, to about 9 %: the middle of the bucket. null without any. */
  quantile(q: number): number | null {
    if (this.total === 0) return null
    let left = q * this.total
    for (const [bucket, count] of [...this.#counts].sort(([a], [b]) => a - b)) {
      left -= count
      if (left <= 0) return Math.round((bucketStartUs(bucket) + bucketStartUs(bucket + 1)) / 2)
    }
    return null
  }

  /** p50, p95 and p99, microseconds. */
  figures(): { p50Us: number | null; p95Us: number | null; p99Us: number | null } {
    return { p50Us: this.quantile(0.5), p95Us: this.quantile(0.95), p99Us: this.quantile(0.99) }
  }
}
