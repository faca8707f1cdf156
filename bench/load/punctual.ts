/**
 * Which requests of a fixed-rate run say something of the peer. On a shared machine all of it stands still now and then;
 * the sending thread, which only sleeps and writes, is late then too. Time is cut into windows, and those in or beside
 * which it was late are left out, whatever their answers took: the choice looks at the load alone.
 */

/** Past this the generator has measured itself. On a quiet machine it is late by 40 to 70 µs. */
const LATE_US = 300
const WINDOW_MS = 20

/** Times of the requests in the order in which they were due, microseconds. */
export interface Times {
  /** How late each was sent. */
  readonly delaysUs: Uint32Array
  /** From when it was due to its last byte; 0: it was not answered. */
  readonly latenciesUs: Uint32Array
}

/** Latencies of the requests in punctual windows, sorted, and the share of all windows that these are. */
export function punctual(times: Times, perSecond: number): { latenciesUs: Uint32Array; share: number } {
  const { delaysUs, latenciesUs } = times
  const size = Math.max(1, Math.round((perSecond * WINDOW_MS) / 1000))
  const windows = Math.floor(delaysUs.length / size)
  const isLate = Array.from({ length: windows }, (_, i) =>
    delaysUs.subarray(i * size, (i + 1) * size).some((delay) => delay > LATE_US),
  )
  const kept = isLate.map((_, i) => !isLate[i - 1] && !isLate[i] && !isLate[i + 1])
  const chosen = latenciesUs.filter((latency, request) => latency > 0 && kept[Math.floor(request / size)] === true)
  return { latenciesUs: chosen.sort(), share: kept.filter(Boolean).length / Math.max(1, windows) }
}
