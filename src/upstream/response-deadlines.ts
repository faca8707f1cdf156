/** The progress timers of an upstream connection: compared when a deadline fires, so that a byte costs an assignment. */
import { type ErrorCode, ProxyError } from '../core/errors.ts'
import { lookUs } from '../core/timers.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { phaseOf } from '../exchange/phase.ts'

/** Milliseconds; 0 turns one off. */
export interface ResponseTimeouts {
  /** From the request's last byte to the response's first. */
  readonly firstByteMs: number
  /** From the first byte of a response head to its last. */
  readonly upstreamHeadMs: number
  /** Between two reads of a response body, and without a byte taken of a request that we have bytes of. */
  readonly responseIdleMs: number
}

/** What an exchange waits for when a deadline fires; times in monotonic microseconds, -1 while not reached. */
export interface Waiting {
  readonly state: 'sending' | 'response' | 'head' | 'body'
  readonly sentUs: number
  readonly headStartUs: number
  readonly progressUs: number
  /** Bytes written that the upstream has not taken. */
  readonly queuedBytes: number
  /** Changes with every byte that it takes (`Wire.takenMark`). */
  readonly takenMark: number
}

/** How often a connection with these timeouts is looked at while it is under way, microseconds. */
export function responseLookUs({ firstByteMs, upstreamHeadMs, responseIdleMs }: ResponseTimeouts): number {
  return lookUs(firstByteMs, upstreamHeadMs, responseIdleMs)
}

/** What a timeout found that the first byte did not run into. */
const HALF_A_HEAD = 'it began, and its head was not complete in time'

const over = (now: number, sinceUs: number, limitMs: number): boolean => limitMs > 0 && now >= sinceUs + limitMs * 1000

export class ResponseDeadlines {
  readonly #timeouts: ResponseTimeouts
  #takenMark = -1
  #queuedSinceUs = 0
  #sendingMark = -1
  #sendingUs = -1

  constructor(timeouts: ResponseTimeouts) {
    this.#timeouts = timeouts
  }

  /** When to look again. */
  next(now: number): number {
    return now + responseLookUs(this.#timeouts)
  }

  /** The failure of an exchange that has run into a timeout, if it has. */
  overdue(now: number, x: Exchange, waiting: Waiting): ProxyError | undefined {
    const code = this.#over(now, waiting)
    return code && new ProxyError(code, phaseOf(x), waiting.state === 'head' ? HALF_A_HEAD : '')
  }

  #over(now: number, waiting: Waiting): ErrorCode | undefined {
    const { firstByteMs, upstreamHeadMs, responseIdleMs } = this.#timeouts
    switch (waiting.state) {
      case 'sending':
        return this.#stalled(now, waiting) ? 'send_timeout' : undefined
      case 'response':
        return over(now, waiting.sentUs, firstByteMs) ? 'first_byte_timeout' : undefined
      case 'head':
        return over(now, waiting.headStartUs, upstreamHeadMs) ? 'first_byte_timeout' : undefined
      case 'body':
        return over(now, waiting.progressUs, responseIdleMs) ? 'response_idle_timeout' : undefined
    }
  }

  /**
   * When bytes of the request left last, as far as looks tell. A response to a request that still goes out is a
   * conversation: either direction is progress.
   */
  sendingUs(now: number, sentUs: number, takenMark: number): number {
    if (sentUs >= 0) return sentUs
    if (takenMark !== this.#sendingMark) {
      this.#sendingMark = takenMark
      this.#sendingUs = now
    }
    return this.#sendingUs
  }

  #stalled(now: number, { queuedBytes, takenMark }: Waiting): boolean {
    if (queuedBytes === 0 || takenMark !== this.#takenMark) {
      this.#takenMark = takenMark
      this.#queuedSinceUs = now
      return false
    }
    return over(now, this.#queuedSinceUs, this.#timeouts.responseIdleMs)
  }
}
