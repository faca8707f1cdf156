/** One measurement: one peer, one phase of one workload, one round. Times in microseconds a request, if not said. */
export interface Sample {
  readonly peer: string
  readonly workload: string
  readonly phase: Phase
  readonly round: number
  readonly requests: number
  readonly failed: number
  readonly perSecond: number
  readonly p50Us: number
  readonly p99Us: number
  /** undefined without a process to look at (direct). */
  readonly cpuWholeUs?: number
  readonly cpuDataThreadUs?: number
  /** Share of the proxy's core that was used while the load ran. */
  readonly coreBusy?: number
  readonly rssMiB?: number
  /** Share of the time in which the load generator was on time, and of which the latencies are; only at a fixed rate. */
  readonly punctualShare?: number
  readonly generatorBusy?: number
  readonly spans?: SpanBalance
}

/** `memory` is a saturated run with 1,000 connections, for its RSS. */
export type Phase = 'saturation' | 'fixed' | 'memory'

/** Requests of one measurement against the spans that the collector acknowledged for it. */
export interface SpanBalance {
  /** Requests that were answered, and the most that can have been begun (wrk cuts off what is under way). */
  readonly atLeast: number
  readonly atMost: number
  readonly acknowledged: number
  readonly distinct: number
}
