/** Numbers that the data thread counts in, found without building a string, and shaped for Prometheus at a scrape. */

/** Upper bounds in seconds that OpenTelemetry advises for request durations. */
export const DURATION_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] as const
/** Phases are often far shorter. */
export const PHASE_BOUNDS = [
  0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const

export type Labels = Readonly<Record<string, string | number>>

/** One line of a scrape, as prom-client takes it. */
export interface Sample {
  readonly value: number
  readonly labels: Labels
  readonly metricName?: string
}

/** A histogram cell: counts a bucket, sum and count. */
export class HistogramCell {
  readonly labels: Labels
  readonly #boundsUs: Float64Array
  readonly #bounds: readonly number[]
  readonly #counts: Float64Array
  #sumUs = 0

  constructor(bounds: readonly number[], labels: Labels) {
    this.labels = labels
    this.#bounds = bounds
    this.#boundsUs = Float64Array.from(bounds, (seconds) => seconds * 1e6)
    this.#counts = new Float64Array(bounds.length + 1)
  }

  /** Count a duration in microseconds. */
  record(us: number): void {
    const bounds = this.#boundsUs
    const length = bounds.length
    let bucket = 0
    while (bucket < length && us > bounds[bucket]!) bucket++
    this.#counts[bucket]!++
    this.#sumUs += us
  }

  samples(name: string): Sample[] {
    const samples: Sample[] = []
    let count = 0
    for (let i = 0; i < this.#counts.length; i++) {
      count += this.#counts[i]!
      const le = i < this.#bounds.length ? this.#bounds[i]! : '+Inf'
      samples.push({ metricName: `${name}_bucket`, labels: { ...this.labels, le }, value: count })
    }
    samples.push({ metricName: `${name}_sum`, labels: this.labels, value: this.#sumUs / 1e6 })
    samples.push({ metricName: `${name}_count`, labels: this.labels, value: count })
    return samples
  }
}

/** Counters by the values of one label, at most `max` of them; what comes beyond counts as `_other`. */
export class CounterFamily {
  readonly label: string
  readonly #max: number
  readonly #counts = new Map<string, number>()

  constructor(label: string, max = 64) {
    this.label = label
    this.#max = max
  }

  inc(value: string, by = 1): void {
    const known = this.#counts.get(value)
    if (known === undefined && this.#counts.size >= this.#max && value !== '_other') {
      this.inc('_other', by)
      return
    }
    this.#counts.set(value, (known ?? 0) + by)
  }

  get(value: string): number {
    return this.#counts.get(value) ?? 0
  }

  samples(): Sample[] {
    return [...this.#counts].map(([value, count]) => ({ labels: { [this.label]: value }, value: count }))
  }
}
