/** What the two threads of the fixed-rate generator share. */

/** Order for one measurement, the generator's only argument, as JSON. */
export interface LoadOrder {
  readonly port: number
  readonly path: string
  readonly connections: number
  readonly seconds: number
  /** Requests a second; 0 is a closed loop. */
  readonly perSecond: number
}

/** What the generator prints, as JSON. Times in microseconds. */
export interface LoadResult {
  /** Requests fully answered. */
  requests: number
  /** Requests that were due and not answered: connection lost, no free connection, not 200. */
  failed: number
  durationUs: number
  /** At a fixed rate of the punctual part alone. */
  p50Us: number
  p90Us: number
  p99Us: number
  /** Share of the run in which the generator was on time (punctual.ts); 1 for a closed loop. */
  punctualShare: number
  /** CPU of the generator as a share of one core. */
  generatorBusy: number
}

export const FREE = 0
export const BUSY = 1
export const DEAD = 2

/** Cells of the control array. */
export const FREED = 0
export const FINISHED = 1
export const SENT = 2
export const NEVER = 3
export const CONTROL_CELLS = 4

/** Cells of the timing array, in monotonic microseconds: when the first request is due. */
export const START = 0
export const TIMING_CELLS = 1

/** Passed to the sending thread. */
export interface SenderData {
  readonly fds: readonly number[]
  readonly request: string
  readonly total: number
  readonly intervalUs: number
  readonly state: SharedArrayBuffer
  readonly dueUs: SharedArrayBuffer
  readonly timing: SharedArrayBuffer
  readonly control: SharedArrayBuffer
  readonly sendDelayUs: SharedArrayBuffer
}

/** Monotonic microseconds, the same clock in every thread (performance.now() has an origin a thread). */
export function monotonicUs(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1e6 + nanoseconds / 1e3
}
