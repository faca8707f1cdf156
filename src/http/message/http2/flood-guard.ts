/**
 * Counts what a peer may do at no cost of its own: control frames, empty frames, streams opened and thrown away, header
 * blocks over the limit. Each is a bucket that ordinary use refills; an empty one ends the connection with
 * ENHANCE_YOUR_CALM (security of HTTP/2: CVE-2023-44487, CVE-2024-27316, CVE-2025-8671 and RFC 9113 §10.5).
 */

/** Frames that move no data: PING, SETTINGS, PRIORITY, unknown ones, empty DATA and CONTINUATION, WINDOW_UPDATE. */
const CONTROL_BURST = 1000
const CONTROL_PER_S = 100
/** A DATA frame of ours may be answered by an update of two windows. */
const CONTROL_PER_DATA = 3
const CONTROL_PER_STREAM = 6
/** A stream that we gave up may bring its head, its trailers, and updates of its window. */
const CONTROL_PER_RESET = 6

/**
 * Streams that ended before their answer did, by the peer's reset or by ours for a fault of the peer. In the second or two
 * that an attack takes to be noticed, no more than a hundred requests go to an upstream.
 */
const RESET_BURST = 80
const RESET_PER_S = 10

/** Header blocks over the limit: never honest twice. */
const OVERSIZED_AT_MOST = 10

export class FloodGuard {
  #control = CONTROL_BURST
  #resets = RESET_BURST
  #oversized = OVERSIZED_AT_MOST
  #lastUs: number

  constructor(now: number) {
    this.#lastUs = now
  }

  /** Once a batch of bytes: refill by the time that passed. */
  tick(now: number): void {
    const seconds = (now - this.#lastUs) / 1e6
    this.#lastUs = now
    this.#control = Math.min(CONTROL_BURST, this.#control + seconds * CONTROL_PER_S)
    this.#resets = Math.min(RESET_BURST, this.#resets + seconds * RESET_PER_S)
  }

  /** A frame that moves nothing. False: too many. */
  control(): boolean {
    return --this.#control >= 0
  }

  /** A stream ended before its answer. False: too many. */
  reset(): boolean {
    return --this.#resets >= 0
  }

  /** A header block over the limit. False: too many. */
  oversized(): boolean {
    return --this.#oversized >= 0
  }

  /** We sent a DATA frame. */
  sentData(): void {
    if (this.#control < CONTROL_BURST) this.#control += CONTROL_PER_DATA
  }

  /** We gave a stream up: the peer has no part in that, and what it sends on it meanwhile is no fault. */
  resetByUs(): void {
    if (this.#control < CONTROL_BURST) this.#control += CONTROL_PER_RESET
  }

  /** A stream ran to its end as it should. */
  completed(): void {
    if (this.#control < CONTROL_BURST) this.#control += CONTROL_PER_STREAM
    if (this.#resets < RESET_BURST) this.#resets++
  }
}
