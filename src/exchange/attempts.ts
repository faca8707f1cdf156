/** The attempts of an exchange: the first, the guard's word before its first byte, and the one safe repeat. */
import { copyOf, withPiece } from '../core/bytes.ts'
import { nowUs } from '../core/clock.ts'
import type { ProxyError } from '../core/errors.ts'
import { parseGrpcStatus, RPC_NONE } from '../core/grpc.ts'
import { newSpanId } from '../core/ids.ts'
import type { ResponseHead } from '../core/message.ts'
import type { Exchange } from './exchange.ts'
import type { Attempt, AttemptEvents, Upstream } from './ports.ts'
import { mayReplay, mayRetryCall, RetryBudget } from './retry-policy.ts'
import { ANSWERED, GATHER_BYTES, type Verdict } from './stage.ts'
import type { DecidingHook, StageRunner } from './stage-runner.ts'

/** What the attempts of a driver are made of. */
export interface AttemptsOptions {
  readonly upstream: Upstream
  /** Takes what attempts report. */
  readonly events: AttemptEvents
  readonly runner: StageRunner
  /** gRPC statuses upon which a call that may be repeated is tried once more. */
  readonly retryCallsOn: ReadonlySet<number>
  /** The guard has the answer: nothing was sent. */
  readonly answered: (x: Exchange) => void
  /** The request is sent again, by the span `spanId`: who gets it is told so. Before: by `sentBy`. */
  readonly sentAgain: (x: Exchange, sentBy: string, spanId: string) => void
}

/** Asks the guard, as a hook of a stage. */
const DISPATCH: DecidingHook = { stage: 'guard', decides: true, run: (x) => x.guard!.onDispatch(x) }

/** Makes, repeats and gives up attempts. */
export class Attempts {
  readonly #upstream: Upstream
  readonly #events: AttemptEvents
  readonly #runner: StageRunner
  readonly #retryCallsOn: ReadonlySet<number>
  readonly #answered: (x: Exchange) => void
  readonly #sentAgain: AttemptsOptions['sentAgain']
  readonly #budget = new RetryBudget()

  constructor(options: AttemptsOptions) {
    this.#upstream = options.upstream
    this.#events = options.events
    this.#runner = options.runner
    this.#retryCallsOn = options.retryCallsOn
    this.#answered = options.answered
    this.#sentAgain = options.sentAgain
  }

  /** An exchange has begun: it earns its part of a retry. */
  earn(): void {
    this.#budget.earn()
  }

  make(x: Exchange): void {
    x.attempts++
    const attempt = this.#upstream.attempt(x, this.#events)
    x.attempt = attempt
    if (attempt.ready) this.dispatch(x, attempt)
  }

  /** A connection stands. */
  dispatch(x: Exchange, attempt: Attempt): void {
    if (x.guard === undefined) {
      begin(x, attempt)
      return
    }
    const verdict = this.#runner.decide(x, DISPATCH)
    if (verdict instanceof Promise) this.#gate(x, attempt, verdict)
    else if (!x.finished) this.#dispatched(x, attempt, verdict)
  }

  #gate(x: Exchange, attempt: Attempt, verdict: Promise<Verdict>): void {
    x.gated = true
    verdict
      .catch((error) => this.#runner.threw(x, DISPATCH, error))
      .then((settled) => {
        // The connection may have died meanwhile: its successor asks for itself.
        if (x.attempt !== attempt || x.finished) return
        x.gated = false
        this.#dispatched(x, attempt, settled)
        x.down.resumeRequest()
        if (isSending(x)) x.attempt.flush()
      })
  }

  #dispatched(x: Exchange, attempt: Attempt, verdict: Verdict): void {
    if (verdict !== ANSWERED) {
      begin(x, attempt)
      return
    }
    this.cancel(x)
    this.#answered(x)
  }

  /** Give up the attempt; what of it may have had an effect is remembered. */
  cancel(x: Exchange): void {
    const { attempt } = x
    if (attempt === undefined) return
    if (attempt.bytesSent > 0) x.reached = true
    attempt.cancel()
  }

  /** Cancel for a failure that is not the attempt's own: what is known of its connection is evidence all the same. */
  giveUp(x: Exchange, error: ProxyError): ProxyError {
    const failure = error.on(x.attempt?.facts)
    this.cancel(x)
    return failure
  }

  /** Small bodies of repeatable requests on reused connections are kept until the response begins. */
  keepForReplay(x: Exchange, attempt: Attempt, buf: Buffer, start: number, end: number): void {
    const retried = x.rpc !== RPC_NONE && this.#retryCallsOn.size > 0
    if (!(attempt.reused || attempt.refusable || retried) || x.responded) return
    if (x.requestBytes === 0) x.replayBody = []
    if (x.replayBody === undefined) return
    if (x.requestBytes + end - start > GATHER_BYTES) x.replayBody = undefined
    else x.replayBody = withPiece(x.replayBody, copyOf(buf, start, end))
  }

  /** The attempt failed. True: another one is under way. */
  repeatAfter(x: Exchange, attempt: Attempt, error: ProxyError): boolean {
    if (attempt.bytesSent > 0 && error.retry !== 'safe') x.reached = true
    x.gated = false
    // What provably was not sent costs the upstream nothing: no budget for it.
    const unread = attempt.bytesSent === 0 || error.code === 'stream_refused'
    if (!mayReplay(x, attempt, error) || !(unread || this.#budget.spend())) return false
    this.#again(x, 0, error)
    return true
  }

  /** A call was answered by its status alone. True: it is tried once more. */
  repeatCall(x: Exchange, attempt: Attempt, head: ResponseHead): boolean {
    if (!mayRetryCall(x, head, this.#retryCallsOn) || !this.#budget.spend()) return false
    x.grpcStatus = parseGrpcStatus(head.headers.get('grpc-status'))
    attempt.cancel()
    this.#again(x, head.status, undefined)
    return true
  }

  /** Another attempt, after one that ended with this status or error. */
  #again(x: Exchange, status: number, error: ProxyError | undefined): void {
    const { timing } = x
    const now = nowUs()
    this.log(x, now, status, error)
    // Phases are those of the last attempt; what went before has its spans (`hopscope.retry_us`).
    timing.queuedUs = now
    timing.dnsUs = timing.connectUs = timing.tlsUs = timing.sendUs = timing.sentUs = timing.responseUs = -1
    x.grpcStatus = -1
    // It may not come as far as the one before.
    x.upstreamPeer = x.upstreamTls = undefined
    x.upstreamReused = false
    x.upstreamFd = -1
    this.#name(x)
    this.make(x)
    if (!isSending(x)) return
    // The attempt before may have stopped it.
    x.down.resumeRequest()
    x.attempt?.flush()
  }

  /** Each time that a request is sent again is a span, and what the upstream does for it is beneath that (OpenTelemetry HTTP). */
  #name(x: Exchange): void {
    const sentBy = x.attemptSpanId || (x.trace?.spanId ?? '')
    x.attemptSpanId = newSpanId()
    this.#sentAgain(x, sentBy, x.attemptSpanId)
  }

  /** One attempt of several: each becomes a CLIENT span below the exchange's own. */
  log(x: Exchange, endUs: number, status: number, error: ProxyError | undefined): void {
    const before = x.attemptLog?.at(-1)
    x.attemptLog ??= []
    x.attemptLog.push({
      spanId: x.attemptSpanId || newSpanId(),
      target: this.#upstream.targetOf?.(x),
      peer: x.upstreamPeer,
      startUs: before?.endUs ?? x.timing.queuedUs,
      endUs,
      status,
      grpcStatus: x.grpcStatus,
      error,
    })
  }
}

function begin(x: Exchange, attempt: Attempt): void {
  attempt.begin()
  for (const piece of x.replayBody ?? []) attempt.data(piece, 0, piece.length)
  if (x.requestEnded) attempt.end(x.replayTrailers)
}

/** The request head was written to the attempt's connection, and the body may follow. */
export function isSending(x: Exchange): boolean {
  return x.attempt?.ready === true && !x.gated
}
