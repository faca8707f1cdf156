/**
 * The progress timers of a client connection. Node has none for slow readers, and its body timeout is a total that
 * kills honest uploads; these measure progress. Times are compared when a deadline fires, so that a byte costs an
 * assignment.
 */
import type { ErrorCode } from '../core/errors.ts'
import { lookUs } from '../core/timers.ts'

/** Milliseconds; 0 turns one off. */
export interface DownstreamTimeouts {
  /** From the first byte of a head to its last. */
  readonly headMs: number
  /** Between two reads of a request body. */
  readonly bodyIdleMs: number
  /** Without a byte taken by a client that we have bytes for. */
  readonly slowReaderMs: number
  /** Between two requests, and before the first. */
  readonly idleMs: number
  /** A whole exchange. */
  readonly exchangeMs: number
}

/** After this grace a body must come at this rate (as Apache's mod_reqtimeout and Kestrel do). */
const RATE_GRACE_US = 10_000_000
const RATE_BYTES_PER_S = 240

/** How often exchanges with these timeouts are looked at, microseconds. */
export function exchangeLookUs({ bodyIdleMs, slowReaderMs, exchangeMs }: DownstreamTimeouts): number {
  return lookUs(bodyIdleMs, slowReaderMs, exchangeMs)
}

const due = (fromUs: number, timeoutMs: number): number =>
  timeoutMs === 0 ? Number.POSITIVE_INFINITY : fromUs + timeoutMs * 1000

/** When what is due on one connection. */
export class DownstreamDeadlines {
  readonly #timeouts: DownstreamTimeouts
  headStartUs = 0
  #idleStartUs = 0
  #startUs = 0
  #progressUs = 0
  #bodyStartUs = 0
  #bodyBytes = 0
  /** The client waits for a 100 before it sends the body. */
  #awaits100 = false
  #takenMark = 0
  #queuedSinceUs = 0

  constructor(timeouts: DownstreamTimeouts) {
    this.#timeouts = timeouts
  }

  idle(now: number): void {
    this.#idleStartUs = now
  }

  head(now: number): void {
    this.headStartUs = now
  }

  exchange(now: number): void {
    this.#startUs = now
    this.#progressUs = now
    this.#takenMark = 0
  }

  /** A body is to come; `asksFirst`: once the client was told to go on with it. */
  body(now: number, asksFirst: boolean): void {
    this.#bodyStartUs = now
    this.#bodyBytes = 0
    this.#awaits100 = asksFirst
  }

  /** The client was told to go on. */
  continued(now: number): void {
    if (!this.#awaits100) return
    this.#progressUs = now
    this.body(now, false)
  }

  /** Bytes of the body came, as they were told of by {@link progress}; maybe without waiting for the 100. */
  bodyCame(bytes: number): void {
    if (this.#awaits100) this.body(this.#progressUs, false)
    this.#bodyBytes += bytes
  }

  /** Bytes came, or left. */
  progress(now: number): void {
    this.#progressUs = now
  }

  idleOver(now: number): boolean {
    return now >= due(this.#idleStartUs, this.#timeouts.idleMs)
  }

  headOver(now: number): boolean {
    return now >= due(this.headStartUs, this.#timeouts.headMs)
  }

  /**
   * The timeout that an exchange has run into, if any. `rated` (unless false): the body is an upload that has to come at
   * some rate. `queuedBytes`: written and not taken by the client.
   */
  exchangeOver(
    now: number,
    request: { readingBody: boolean; rated?: boolean },
    response: { readonly queuedBytes: number; readonly takenMark: number },
  ): ErrorCode | undefined {
    if (now >= due(this.#startUs, this.#timeouts.exchangeMs)) return 'exchange_timeout'
    if (request.readingBody && this.#bodyTooSlow(now, request.rated !== false)) return 'body_timeout'
    return this.readerStuck(now, response.queuedBytes, response.takenMark) ? 'client_too_slow' : undefined
  }

  /** The client has taken nothing of what waits for it for the whole time allowed. To be asked again and again. */
  readerStuck(now: number, queuedBytes: number, takenMark: number): boolean {
    if (queuedBytes === 0 || takenMark !== this.#takenMark) {
      this.#takenMark = takenMark
      this.#queuedSinceUs = now
      return false
    }
    return now >= due(this.#queuedSinceUs, this.#timeouts.slowReaderMs)
  }

  #bodyTooSlow(now: number, rated: boolean): boolean {
    if (this.#timeouts.bodyIdleMs === 0 || this.#awaits100) return false
    if (now >= due(this.#progressUs, this.#timeouts.bodyIdleMs)) return true
    const elapsedUs = now - this.#bodyStartUs
    return rated && elapsedUs > RATE_GRACE_US && this.#bodyBytes < (elapsedUs / 1e6) * RATE_BYTES_PER_S
  }

  /** When to look again. */
  next(now: number, inHead: boolean, isIdle: boolean): number {
    if (isIdle) return due(this.#idleStartUs, this.#timeouts.idleMs)
    if (inHead) return due(this.headStartUs, this.#timeouts.headMs)
    return Math.min(now + exchangeLookUs(this.#timeouts), due(this.#startUs, this.#timeouts.exchangeMs))
  }
}
