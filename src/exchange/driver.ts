/**
 * Moves one exchange from head to finish: stages, the attempt and its one safe replay, the response, the end. It owns
 * flow control and the word "finished", which it says exactly once for every exchange, whatever happens.
 */
import { nowUs } from '../core/clock.ts'
import { errnoOf, ProxyError } from '../core/errors.ts'
import { RPC_GRPC } from '../core/grpc.ts'
import { HeaderBlock } from '../core/headers.ts'
import type { Logger } from '../core/log.ts'
import type { ResponseHead } from '../core/message.ts'
import type { Sweeper } from '../core/timers.ts'
import { Attempts, type AttemptsOptions, isSending } from './attempts.ts'
import type { Hook, PhaseTables } from './compile.ts'
import { Detached, DetachedExchanges } from './detached.ts'
import { type Answer, type Exchange, ownResponseHead } from './exchange.ts'
import { grpcStatusIn } from './grpc-status.ts'
import { HeldBack } from './held-back.ts'
import { OwnAnswer } from './own-answer.ts'
import { phaseOf } from './phase.ts'
import type { Attempt, AttemptEvents, TunnelEnd, Upstream } from './ports.ts'
import { RequestStages } from './request-stages.ts'
import type { Guard } from './stage.ts'
import { type GuardRead, StageRunner } from './stage-runner.ts'

/** What a driver is made of. */
export interface DriverOptions extends Partial<Pick<AttemptsOptions, 'retryCallsOn' | 'sentAgain'>> {
  readonly stages: PhaseTables
  readonly upstream: Upstream
  /** Turns a failure into the response that the client gets (`http/rescue`). */
  readonly rescue: (x: Exchange, error: ProxyError) => Answer
  /** Trailers that tell of a failure where the response has begun; without, it is broken off. */
  readonly failureTrailers: (x: Exchange, error: ProxyError) => HeaderBlock | undefined
  readonly log: Logger
  /** An observing stage threw. */
  readonly onStageFault?: (stage: string) => void
  readonly sweeper: Sweeper
  /** How long a guarded exchange may go on whose client has left. */
  readonly detachedMs: number
}

/** One driver serves all connections of a listener. */
export class Driver implements AttemptEvents {
  readonly #stages: PhaseTables
  readonly #runner: StageRunner
  readonly #request: RequestStages
  readonly #heldBack = new HeldBack()
  readonly #attempts: Attempts
  readonly #rescue: DriverOptions['rescue']
  readonly #failureTrailers: DriverOptions['failureTrailers']
  readonly #log: Logger
  /** Those that go on without a client. */
  readonly detached: DetachedExchanges
  /** Exchanges begun and not finished. */
  active = 0
  /** Connections of clients are being closed by ourselves: it is not they who left. */
  closing = false

  constructor(options: DriverOptions) {
    this.#stages = options.stages
    this.#rescue = options.rescue
    this.#failureTrailers = options.failureTrailers
    this.#log = options.log
    this.detached = new DetachedExchanges(options.sweeper, options.detachedMs, (x, code) => {
      this.#fail(x, this.#attempts.giveUp(x, new ProxyError(code, phaseOf(x), 'the client had left')))
    })
    const answered = (x: Exchange): void => this.#stageAnswered(x)
    this.#runner = new StageRunner({
      log: options.log,
      onFault: options.onStageFault ?? (() => {}),
      fail: (x, error) => this.#fail(x, this.#attempts.giveUp(x, error)),
    })
    this.#attempts = new Attempts({
      upstream: options.upstream,
      events: this,
      runner: this.#runner,
      retryCallsOn: options.retryCallsOn ?? new Set(),
      answered,
      sentAgain: options.sentAgain ?? (() => {}),
    })
    this.#request = new RequestStages(options.stages, this.#runner, { passed: (x) => this.#attempts.make(x), answered })
  }

  // === the client's side ===

  /** A request head is complete. */
  start(x: Exchange): void {
    this.active++
    this.#attempts.earn()
    this.#request.run(x, 0)
  }

  /** A request that could not be read: answer and close. */
  refuse(x: Exchange, error: ProxyError): void {
    this.active++
    this.#runner.refusedHead(x, this.#stages.refusedHead)
    this.#fail(x, error)
  }

  /** Whether request body bytes can be taken now; if not, they are kept and `resumeRequest` asks for them. */
  takesData(x: Exchange): boolean {
    return x.discardsRequest || x.gatherNext >= 0 || isSending(x)
  }

  requestData(x: Exchange, buf: Buffer, start: number, end: number): void {
    if (x.guard !== undefined && !this.#guardTakes(x, x.guard, buf, start, end)) return
    if (x.discardsRequest) return
    if (this.#stages.requestData.length > 0) this.#runner.chunk(x, this.#stages.requestData, buf.subarray(start, end))
    const attempt = x.attempt!
    if (x.finished || x.discardsRequest) return
    this.#attempts.keepForReplay(x, attempt, buf, start, end)
    x.requestBytes += end - start
    if (!attempt.data(buf, start, end)) x.down.pauseRequest()
  }

  #guardTakes(x: Exchange, guard: Guard, buf: Buffer, start: number, end: number): boolean {
    if (!this.#request.guardTakes(x, guard, buf, start, end)) return false
    if (x.refusal !== undefined && !x.discardsRequest) this.downstreamFailed(x, x.refusal)
    return !x.finished
  }

  requestEnd(x: Exchange, trailers: HeaderBlock | undefined): void {
    x.requestEnded = true
    if (x.gatherNext >= 0) {
      x.replayTrailers = trailers === undefined ? undefined : HeaderBlock.from(trailers.entries())
      this.#request.gathered(x)
      return
    }
    if (x.guard !== undefined) this.#runner.guard(x, x.guard, requestEnded, undefined)
    if (x.finished) return
    if (x.discardsRequest || !isSending(x)) return
    const repeatable = x.requestBytes === 0 || x.replayBody !== undefined
    if (trailers !== undefined && repeatable) x.replayTrailers = HeaderBlock.from(trailers.entries())
    x.attempt!.end(trailers)
  }

  /** The end of a batch of client events. */
  flushRequest(x: Exchange): void {
    if (isSending(x)) x.attempt!.flush()
  }

  downstreamDrained(x: Exchange): void {
    if (x.ownAnswer === undefined) x.attempt?.resumeResponse()
    else this.#sendOwn(x, x.ownAnswer)
  }

  /** The request broke off or was malformed in its body, or a deadline passed. */
  downstreamFailed(x: Exchange, error: ProxyError): void {
    if (x.finished || x.down instanceof Detached) return
    if (error.code === 'client_too_slow' && outlives(x)) {
      x.down.abort()
      this.#detach(x, error)
      return
    }
    this.#fail(x, this.#attempts.giveUp(x, error))
  }

  /** The client's connection is gone: nothing can be answered. */
  downstreamClosed(x: Exchange, cause: Error | undefined): void {
    if (x.finished || x.down instanceof Detached) return
    const code = this.closing ? 'draining' : 'client_closed'
    const error = new ProxyError(code, phaseOf(x), '', { errno: errnoOf(cause), cause })
    if (outlives(x)) {
      this.#detach(x, error)
      return
    }
    const failure = this.#attempts.giveUp(x, error)
    x.error ??= failure
    this.#finish(x)
  }

  /** The drain is over: who has no byte of an answer yet gets one. What began, or is to go on, ends with its connection. */
  cutOff(x: Exchange): void {
    if (x.finished || x.responded || x.down instanceof Detached || outlives(x)) return
    this.#fail(x, this.#attempts.giveUp(x, new ProxyError('draining', phaseOf(x))))
  }

  /** Go on without the client: the guard wants to know the outcome. */
  #detach(x: Exchange, error: ProxyError): void {
    x.error ??= error
    this.detached.add(x)
    x.attempt?.resumeResponse()
  }

  // === attempts ===

  onAttemptReady(attempt: Attempt): void {
    const x = attempt.exchange
    if (x.attempt !== attempt) return
    this.#attempts.dispatch(x, attempt)
    if (!isSending(x)) return
    x.down.resumeRequest()
    attempt.flush()
  }

  onAttemptError(attempt: Attempt, error: ProxyError): void {
    const x = attempt.exchange
    if (x.attempt !== attempt || x.finished) return
    if (!this.#attempts.repeatAfter(x, attempt, error)) this.#fail(x, error)
  }

  onAttemptDrain(attempt: Attempt): void {
    if (attempt.exchange.attempt === attempt) attempt.exchange.down.resumeRequest()
  }

  // === the response ===

  onAttemptInformational(attempt: Attempt, head: ResponseHead): void {
    if (attempt.exchange.attempt === attempt) attempt.exchange.down.informational(head)
  }

  onAttemptHead(attempt: Attempt, head: ResponseHead): void {
    const x = attempt.exchange
    if (x.attempt !== attempt) return
    x.reached = true
    if (this.#attempts.repeatCall(x, attempt, head)) return
    if (x.guard !== undefined) this.#runner.guard(x, x.guard, responseBegan, head)
    if (!x.finished) this.#respond(x, head)
  }

  #respond(x: Exchange, head: ResponseHead): void {
    x.response = head
    x.responded = true
    x.replayBody = undefined
    if (!this.#runner.responseHead(x, this.#stages.responseHead, head)) return
    x.down.respond(x, head)
  }

  onAttemptData(attempt: Attempt, buf: Buffer, start: number, end: number): void {
    const x = attempt.exchange
    if (x.attempt !== attempt || x.finished) return
    x.responseBytes += end - start
    if (this.#stages.responseData.length > 0) {
      this.#runner.chunk(x, this.#stages.responseData, buf.subarray(start, end))
      if (x.finished) return
    }
    if (x.guard !== undefined) {
      this.#runner.guardReads(x, x.guard, responseRead, buf, start, end)
      if (x.finished) return
    }
    if (this.#holdsEnd(x)) this.#heldBack.hold(x, buf, start, end)
    else if (!x.down.data(buf, start, end)) attempt.pauseResponse()
  }

  /**
   * Whether a stage may wait before the end of this response and only its end is still to be sent. Without a length the
   * end is a chunk or a flag of its own; with one it is the last piece, or the head where there is no body.
   */
  #holdsEnd(x: Exchange): boolean {
    if (x.guard === undefined && this.#stages.responseEnd.length === 0) return false
    return x.response !== undefined && x.response.bodyLength === x.responseBytes
  }

  onAttemptEnd(attempt: Attempt, trailers: HeaderBlock | undefined): void {
    const x = attempt.exchange
    if (x.attempt !== attempt || x.finished) return
    if (x.rpc === RPC_GRPC) x.grpcStatus = grpcStatusIn(x, trailers)
    if (x.guard !== undefined || this.#stages.responseEnd.length > 0) this.#responseEnd(x, trailers, 0)
    else this.#complete(x, trailers)
  }

  /** The hooks of the stages from number `from` on, then the guard's. */
  #responseEnd(x: Exchange, trailers: HeaderBlock | undefined, from: number): void {
    const hooks = this.#stages.responseEnd
    for (let i = from; i <= hooks.length; i++) {
      const hook = hooks[i]
      const waiting = hook === undefined ? this.#guardEnd(x, trailers) : this.#runner.responseEnd(x, hook)
      if (x.finished) return
      if (waiting === undefined) continue
      // The connection they came on may read other bytes and trailers meanwhile.
      this.#heldBack.keep()
      const kept = trailers === undefined ? undefined : HeaderBlock.from(trailers.entries())
      waiting
        .catch((error) => this.#runner.threw(x, hook ?? RESPONSE_END, error))
        .then(() => {
          if (!x.finished) this.#responseEnd(x, kept, i + 1)
        })
      return
    }
    this.#heldBack.release(x)
    this.#complete(x, trailers)
  }

  #guardEnd(x: Exchange, trailers: HeaderBlock | undefined): undefined | Promise<undefined> {
    return x.guard === undefined ? undefined : this.#runner.guard(x, x.guard, responseEnded, trailers)
  }

  #complete(x: Exchange, trailers: HeaderBlock | undefined): void {
    x.down.end(trailers)
    this.#finish(x)
  }

  onAttemptFlush(attempt: Attempt): void {
    const x = attempt.exchange
    if (x.attempt !== attempt || x.finished) return
    if (this.#holdsEnd(x)) this.#heldBack.keep()
    else x.down.flush()
  }

  onAttemptUpgrade(attempt: Attempt, head: ResponseHead, end: TunnelEnd): void {
    const x = attempt.exchange
    if (x.attempt !== attempt || x.finished) return
    x.response = head
    x.responded = true
    if (!this.#runner.responseHead(x, this.#stages.responseHead, head)) {
      attempt.cancel()
      return
    }
    x.attempt = undefined
    x.down.upgrade(head, end, (facts) => {
      x.requestBytes = facts.bytesFromClient
      x.responseBytes = facts.bytesToClient
      x.error = facts.error
      x.webSocket = facts.webSocket
      this.#finish(x)
    })
  }

  // === the end ===

  #stageAnswered(x: Exchange): void {
    const { answer } = x
    if (answer === undefined) {
      this.#fail(x, x.refusal ?? new ProxyError('stage_failed', 'head', 'a stage answered without an answer'))
      return
    }
    let head: ResponseHead | undefined
    try {
      head = ownResponseHead(answer, x.request.method)
    } catch (cause) {
      this.#log.error({ err: cause }, 'a stage answered with what cannot be sent')
      this.#fail(x, new ProxyError('stage_failed', 'head', 'a stage answered with what cannot be sent', { cause }))
    }
    if (head !== undefined) this.#answer(x, answer, head)
  }

  /** A response of our own in place of the upstream's. */
  #answer(x: Exchange, answer: Answer, head = ownResponseHead(answer, x.request.method)): void {
    x.discardsRequest = true
    this.#respond(x, head)
    if (x.finished) return
    x.ownAnswer = new OwnAnswer(answer)
    this.#sendOwn(x, x.ownAnswer)
  }

  #sendOwn(x: Exchange, own: OwnAnswer): void {
    const sent = own.send(x.down)
    if (x.finished) return
    x.responseBytes = own.sentBytes
    if (sent) this.#complete(x, own.trailers)
    else x.down.flush()
  }

  #fail(x: Exchange, error: ProxyError): void {
    const again = x.error !== undefined
    x.error = error
    x.discardsRequest = true
    // A stage that throws on the error response as well would bring us here for ever.
    if (x.responded || again) {
      const trailers = again ? undefined : this.#failureTrailers(x, error)
      if (trailers === undefined) x.down.abort()
      else x.down.end(trailers)
      this.#finish(x)
      return
    }
    try {
      this.#answer(x, this.#rescue(x, error))
    } catch (cause) {
      this.#log.error({ err: cause }, 'no response could be made')
      x.down.abort()
      this.#finish(x)
    }
  }

  #finish(x: Exchange): void {
    if (x.finished) return
    x.finished = true
    x.attempt = undefined
    this.active--
    const { timing } = x
    timing.finishUs = nowUs()
    if (x.guard !== undefined) this.#runner.guard(x, x.guard, exchangeFinished, undefined)
    if (x.attemptLog !== undefined) this.#attempts.log(x, timing.finishUs, x.response?.status ?? 0, x.error)
    this.#runner.finish(x, this.#stages.finish)
    x.down.finished()
  }
}

/** Calls of a guard. */
const requestEnded = (guard: Guard, x: Exchange): undefined => guard.onRequestEnd(x)
const responseBegan = (guard: Guard, x: Exchange, head: ResponseHead): undefined => guard.onResponseHead(x, head)
const responseRead: GuardRead = (guard, x, buf, start, end) => guard.onResponseData(x, buf, start, end)
const responseEnded = (guard: Guard, x: Exchange, trailers: HeaderBlock | undefined): undefined | Promise<undefined> =>
  guard.onResponseEnd(x, trailers)
const exchangeFinished = (guard: Guard, x: Exchange): undefined => guard.onFinish(x)
const RESPONSE_END: Hook<unknown> = { stage: 'guard', decides: true, run: undefined }

/** The request was handed over as a whole and its guard wants to see the end of it. */
function outlives(x: Exchange): boolean {
  return x.guard !== undefined && x.requestEnded && isSending(x) && x.guard.outlivesClient(x)
}
