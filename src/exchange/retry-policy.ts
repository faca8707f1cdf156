/**
 * Whether a failed attempt may be followed by another. The proxy never guesses: it repeats a request only where the
 * first try provably had no effect, or where the method says that a repeat has none (RFC 9110 §9.2.2).
 */
import type { ProxyError } from '../core/errors.ts'
import { parseGrpcStatus, RPC_NONE } from '../core/grpc.ts'
import type { ResponseHead } from '../core/message.ts'
import type { Exchange } from './exchange.ts'
import type { Attempt } from './ports.ts'

const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'])

/** A request with this method has the same effect once or twice. */
export function isIdempotent(method: string): boolean {
  return IDEMPOTENT.has(method)
}

/** At most this share of requests may be retries, so that retries cannot become the load that kills an upstream. */
const BUDGET_RATIO = 0.2
const BUDGET_CAP = 100

/** Retry budget of one proxy: every request earns a fifth of a retry. */
export class RetryBudget {
  #tokens = 10

  earn(): void {
    if (this.#tokens < BUDGET_CAP) this.#tokens += BUDGET_RATIO
  }

  spend(): boolean {
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }
}

/**
 * Whether a gRPC call that was answered by a head alone is tried once more: where the operator says that calls may be
 * repeated upon this status. A server that names a time to wait is left alone, and so is a call with a guard, which
 * exists because it may not be repeated.
 */
export function mayRetryCall(x: Exchange, head: ResponseHead, statuses: ReadonlySet<number>): boolean {
  if (x.rpc === RPC_NONE || statuses.size === 0 || head.bodyLength !== 0) return false
  if (x.attempts > 1 || x.responded || x.guard !== undefined) return false
  if (!statuses.has(parseGrpcStatus(head.headers.get('grpc-status')))) return false
  if (head.headers.get('grpc-retry-pushback-ms') !== undefined) return false
  return x.requestBytes === 0 || x.replayBody !== undefined
}

/**
 * The cases in which the attempt loop tries again, once, before any response byte: a reused connection that failed, when
 * no byte of the request left or the request may be repeated as a whole; and a stream that was refused, which was not
 * looked at (RFC 9113 §8.7), on whatever connection and by any method, while all of its body is here; so is one whose
 * connection was refused for its protocol, also where it was the second: nothing happened since it was allowed. Where the
 * exchange has a guard, that knows more than the method says: it is asked instead.
 */
export function mayReplay(x: Exchange, attempt: Attempt, error: ProxyError): boolean {
  const refused = error.code === 'stream_refused'
  const isOutdatedRepeat = x.attempts === 2 && attempt.outdated === true
  if (x.responded || (x.attempts > 1 && !isOutdatedRepeat) || x.timing.responseUs >= 0) return false
  if (error.retry === 'never' || !(attempt.reused || attempt.outdated || refused)) return false
  const consumed = x.requestBytes > 0
  const whole = !consumed || x.replayBody !== undefined
  if (x.guard !== undefined) return whole && x.guard.mayRepeat(x, error)
  if (refused || isOutdatedRepeat || (attempt.bytesSent === 0 && !consumed)) return whole
  return isIdempotent(x.request.method) && whole
}
