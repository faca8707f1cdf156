/** Time, in one place: durations come from the monotonic clock, wall-clock time only places a span. */

const originWallUs = performance.timeOrigin * 1000

/** Microseconds since the process started, monotonic, with sub-microsecond fraction. */
export function nowUs(): number {
  return performance.now() * 1000
}

/** Microseconds since the Unix epoch for a {@link nowUs} reading. Not monotonic across processes. */
export function wallUs(monotonicUs: number): number {
  return originWallUs + monotonicUs
}
