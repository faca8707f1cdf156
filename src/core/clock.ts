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

/**
 * Milliseconds since the Unix epoch by the system's clock: for what several processes or a restart compare, where a reading
 * placed by the start of this process would be off after a step of the clock or a sleep of the machine.
 */
export function wallNowMs(): number {
  return Date.now()
}
