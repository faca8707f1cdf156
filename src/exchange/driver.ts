/**
 * Moves one exchange from head to finish: stages, the attempt and its one safe replay, the response, the end. It owns
 * flow control and the word "finished", which it says exactly once for every exchange, whatever happens.
 */
import { nowUs } from '../core/clock.ts'
import { errnoOf, ProxyError } from '../core/errors.ts'
import { parseGrpcStatus, RPC_GRPC, RPC_NONE } from '../core/grpc.ts'
import { HeaderBlock } from '../core/headers.ts'
import { newSpanId } from '../core/ids.ts'
import type { Logger } from '../core/log.ts'
import type { ResponseHead } from '../core/message.ts'
import type { Sweeper } from '../core/timers.ts'
import type { Hook, PhaseTables } from './compile.ts'
import { Detached } from './detached.ts'
import { type Answer, type Exchange, ownResponseHead } from './exchange.ts'
import { grpcStatusIn } from './grpc-status.ts'
import type { Attempt, AttemptEvents, TunnelEnd, Upstream } from './ports.ts'
import { mayReplay, mayRetryCall, RetryBudget } from './retry-policy.ts'
import { ANSWERED, CONTINUE, GATHER_BYTES, type Guard, type Verdict } from './stage.ts'

/** What a driver is made of. */
export interface DriverOptions {
  readonly stages: PhaseTables
  readonly upstream: Upstream
  /** Turns a failure into the response that the client gets (`http/rescue`). */
  readonly rescue: (x: Exchange, error: ProxyError) => Answer
  /** Trailers that tell of a failure where the response has begun; without, it is broken off. */
  readonly failureTrailers: (x: Exchange, error: ProxyError) => HeaderBlock | undefined
  /** gRPC statuses upon which a call that may be repeated is tried once more. */
  readonly retryCallsOn?: ReadonlySet<number>
  readonly log: Logger
  /** An observing stage threw. */
  readonly onStageFault?: (stage: string) => void
  readonly sweeper: Sweeper
  /** How long a guarded exchange may go on whose client has left. */
  readonly detachedMs: number
}

type HeadHook = Hook<(x: Exchange) => Verdict | Promise<Verdict>>

/** One driver serves all connections of a listener. */
export class Driver implements AttemptEvents {
  readonly #stages: PhaseTables
  readonly #upstream: Upstream
  readonly #rescue: DriverOptions['rescue']
  readonly #failureTrailers: DriverOptions['failureTrailers']
  readonly #retryCallsOn: ReadonlySet<number>
  readonly #log: Logger
  readonly #onStageFault: (stage: string) => void
  readonly #budget = new RetryBudget()
  readonly #sweeper: Sweeper
  readonly #detachedUs: number
  /** Exchanges begun and not finished. */
  active = 0

  constructor(options: DriverOptions) {
    this.#stages = options.stages
    this.#upstream = options.upstream
    this.#rescue = options.rescue
    this.#failureTrailers = options.failureTrailers
    this.#retryCallsOn = options.retryCallsOn ?? new Set()
    this.#log = options.log
    this.#onStageFault = options.onStageFault ?? (() => {})
    this.#sweeper = options.sweeper
    this.#detachedUs = options.detachedMs * 1000
  }

  // === the client's side ===

  /** A request head is complete. */
  start(x: Exchange): void {
    this.active++
    this.#budget.earn()
    this.#requestHead(x, 0)
  }

  /** A request that could not be read: answer and close. */
  refuse(x: Exchange, error: ProxyError): void {
    this.active++
    this.#fail(x, error)
  }

  /** Whether request body bytes can be taken now; if not, they are kept and `resumeRequest` asks for them. */
  takesData(x: Exchange): boolean {
    return x.discardsRequest || x.gatherNext >= 0 || isSending(x)
  }

  requestData(x: Exchange, buf: Buffer, start: number, end: number): void {
    if (x.guard !== undefined && !this.#guardTakes(x, x.guard, buf.subarray(start, end))) return
    if (x.discardsRequest) return
    if (this.#stages.requestData.length > 0) this.#runChunk(x, this.#stages.requestData, buf.subarray(start, end))
    const attempt = x.attempt!
    if (x.finished || x.discardsRequest) return
    this.#keepForReplay(x, attempt, buf, start, end)
    x.requestBytes += end - start
    if (!attempt.data(buf, start, end)) x.down.pauseRequest()
  }

  requestEnd(x: Exchange, trailers: HeaderBlock | undefined): void {
    x.requestEnded = true
    if (x.gatherNext >= 0) {
      x.replayTrailers = trailers === undefined ? undefined : HeaderBlock.from(trailers.entries())
      this.#gathered(x)
      return
    }
    if (x.guard !== undefined) this.#guarded(x, x.guard, requestEnded, undefined)
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
    x.attempt?.resumeResponse()
  }

  /** The request broke off or was malformed in its body, or a deadline passed. */
  downstreamFailed(x: Exchange, error: ProxyError): void {
    if (x.finished || x.down instanceof Detached) return
    if (error.code === 'client_too_slow' && outlives(x)) {
      x.down.abort()
      this.#detach(x, error)
      return
    }
    this.#cancel(x)
    this.#fail(x, error)
  }

  /** The client's connection is gone: nothing can be answered. */
  downstreamClosed(x: Exchange, cause: Error | undefined): void {
    if (x.finished || x.down instanceof Detached) return
    const error = new ProxyError('client_closed', phaseOf(x), '', { errno: errnoOf(cause), cause })
    if (outlives(x)) {
      this.#detach(x, error)
      return
    }
    this.#cancel(x)
    x.error ??= error
    this.#finish(x)
  }

  /** Go on without the client: the guard wants to know the outcome. */
  #detach(x: Exchange, error: ProxyError): void {
    x.error ??= error
    x.down = new Detached(this.#sweeper, nowUs() + this.#detachedUs, () => {
      this.#cancel(x)
      this.#fail(x, new ProxyError('exchange_timeout', phaseOf(x), 'the client had left'))
    })
    x.attempt?.resumeResponse()
  }

  /** Give up the attempt; what of it may have had an effect is remembered. */
  #cancel(x: Exchange): void {
    const { attempt } = x
    if (attempt === undefined) return
    if (attempt.bytesSent > 0) x.reached = true
    attempt.cancel()
  }

  // === stages ===

  #requestHead(x: Exchange, from: number): void {
    const hooks = this.#stages.requestHead
    for (let i = from; i < hooks.length; i++) {
      const verdict = this.#runHead(x, hooks[i]!)
      if (x.finished) return
      if (verdict === CONTINUE) continue
      if (verdict instanceof Promise) this.#await(x, hooks[i]!, verdict, i + 1)
      else this.#decided(x, verdict, i + 1)
      return
    }
    if (x.replayBody !== undefined) this.#showGathered(x, x.replayBody)
    if (x.finished) return
    x.timing.queuedUs = nowUs()
    this.#attempt(x)
  }

  #runHead(x: Exchange, hook: HeadHook): Verdict | Promise<Verdict> {
    try {
      return hook.run(x)
    } catch (error) {
      return this.#stageThrew(x, hook, error)
    }
  }

  #await(x: Exchange, hook: HeadHook, verdict: Promise<Verdict>, next: number): void {
    verdict
      .catch((error) => this.#stageThrew(x, hook, error))
      .then((settled) => {
        if (x.finished) return
        this.#decided(x, settled, next)
        x.down.resumeRequest()
      })
  }

  #decided(x: Exchange, verdict: Verdict, next: number): void {
    if (verdict === ANSWERED) this.#stageAnswered(x)
    else if (verdict === CONTINUE) this.#requestHead(x, next)
    else {
      x.gatherNext = next
      x.replayBody = []
      if (x.requestEnded) this.#gathered(x)
    }
  }

  /** The body is here as a whole: the guard decides. */
  #gathered(x: Exchange): void {
    const next = x.gatherNext
    x.gatherNext = -1
    const verdict = this.#runHead(x, GATHERED)
    if (x.finished) return
    if (verdict instanceof Promise) this.#await(x, GATHERED, verdict, next)
    else this.#decided(x, verdict, next)
  }

  /** Stages behind the one that gathered see the body after the head, as ever. */
  #showGathered(x: Exchange, body: readonly Buffer[]): void {
    if (this.#stages.requestData.length === 0) return
    for (const piece of body) {
      this.#runChunk(x, this.#stages.requestData, piece)
      if (x.finished) return
    }
  }

  /** False: the bytes go no further. */
  #guardTakes(x: Exchange, guard: Guard, chunk: Buffer): boolean {
    if (x.gatherNext >= 0) {
      x.requestBytes += chunk.length
      x.replayBody!.push(Buffer.from(chunk))
      return false
    }
    try {
      guard.onRequestData(x, chunk)
    } catch (error) {
      this.#guardThrew(x, guard, error)
    }
    if (x.refusal !== undefined && !x.discardsRequest && !x.finished) this.downstreamFailed(x, x.refusal)
    return !x.finished
  }

  /** Call a hook of a guard; its throw fails the exchange. */
  #guarded<A, T>(x: Exchange, guard: Guard, call: GuardCall<A, T>, given: A): T | undefined {
    try {
      return call(guard, x, given)
    } catch (error) {
      this.#guardThrew(x, guard, error)
      return undefined
    }
  }

  #guardThrew(x: Exchange, guard: Guard, error: unknown): void {
    this.#stageThrew(x, { stage: guard.name, decides: true, run: undefined }, error)
  }

  /** An observer's fault is counted and traffic goes on; a decider's fails the exchange. */
  #stageThrew(x: Exchange, hook: Hook<unknown>, error: unknown): Verdict {
    this.#onStageFault(hook.stage)
    this.#log.error({ stage: hook.stage, err: error }, 'a stage threw')
    // On the response to a failure, a second fault changes nothing: the first is answered.
    if (hook.decides && !x.finished && x.error === undefined) {
      this.#cancel(x)
      this.#fail(x, new ProxyError('stage_failed', phaseOf(x), `stage ${hook.stage}`, { cause: error }))
    }
    return CONTINUE
  }

  #runChunk(x: Exchange, hooks: readonly Hook<(x: Exchange, chunk: Buffer) => undefined>[], chunk: Buffer): void {
    for (const hook of hooks) {
      try {
        hook.run(x, chunk)
      } catch (error) {
        this.#stageThrew(x, hook, error)
        if (x.finished) return
      }
    }
  }

  // === attempts ===

  #attempt(x: Exchange): void {
    x.attempts++
    const attempt = this.#upstream.attempt(x, this)
    x.attempt = attempt
    if (attempt.ready) this.#dispatch(x, attempt)
  }

  /** A connection stands. */
  #dispatch(x: Exchange, attempt: Attempt): void {
    if (x.guard === undefined) {
      this.#begin(x, attempt)
      return
    }
    const verdict = this.#runHead(x, DISPATCH)
    if (verdict instanceof Promise) this.#gate(x, attempt, verdict)
    else if (!x.finished) this.#dispatched(x, attempt, verdict)
  }

  #gate(x: Exchange, attempt: Attempt, verdict: Promise<Verdict>): void {
    x.gated = true
    verdict
      .catch((error) => this.#stageThrew(x, DISPATCH, error))
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
      this.#begin(x, attempt)
      return
    }
    this.#cancel(x)
    this.#stageAnswered(x)
  }

  #begin(x: Exchange, attempt: Attempt): void {
    attempt.begin()
    for (const piece of x.replayBody ?? []) attempt.data(piece, 0, piece.length)
    if (x.requestEnded) attempt.end(x.replayTrailers)
  }

  onAttemptReady(attempt: Attempt): void {
    const x = attempt.exchange
    if (x.attempt !== attempt) return
    this.#dispatch(x, attempt)
    if (!isSending(x)) return
    x.down.resumeRequest()
    attempt.flush()
  }

  /** Small bodies of repeatable requests on reused connections are kept until the response begins. */
  #keepForReplay(x: Exchange, attempt: Attempt, buf: Buffer, start: number, end: number): void {
    const retried = x.rpc !== RPC_NONE && this.#retryCallsOn.size > 0
    if (!(attempt.reused || attempt.refusable || retried) || x.responded) return
    if (x.requestBytes === 0) x.replayBody = []
    if (x.replayBody === undefined) return
    if (x.requestBytes + end - start > GATHER_BYTES) x.replayBody = undefined
    else x.replayBody.push(Buffer.from(buf.subarray(start, end)))
  }

  onAttemptError(attempt: Attempt, error: ProxyError): void {
    const x = attempt.exchange
    if (x.attempt !== attempt || x.finished) return
    if (attempt.bytesSent > 0 && error.retry !== 'safe') x.reached = true
    x.gated = false
    // What provably was not sent costs the upstream nothing: no budget for it.
    const unread = attempt.bytesSent === 0 || error.code === 'stream_refused'
    if (mayReplay(x, attempt, error) && (unread || this.#budget.spend())) {
      this.#again(x, 0, error)
      return
    }
    this.#fail(x, error)
  }

  /** Another attempt, after one that ended with this status or error. */
  #again(x: Exchange, status: number, error: ProxyError | undefined): void {
    const { timing } = x
    const now = nowUs()
    this.#logAttempt(x, now, status, error)
    // Phases are those of the last attempt; what went before has its spans (`hopscope.retry_us`).
    timing.queuedUs = now
    timing.dnsUs = timing.connectUs = timing.tlsUs = timing.sendUs = timing.sentUs = timing.responseUs = -1
    x.grpcStatus = -1
    this.#attempt(x)
    if (!isSending(x)) return
    // The attempt before may have stopped it.
    x.down.resumeRequest()
    x.attempt?.flush()
  }

  /** One attempt of several: each becomes a CLIENT span below the exchange's own. */
  #logAttempt(x: Exchange, endUs: number, status: number, error: ProxyError | undefined): void {
    const before = x.attemptLog?.at(-1)
    x.attemptLog ??= []
    const startUs = before?.endUs ?? x.timing.queuedUs
    x.attemptLog.push({ spanId: newSpanId(), startUs, endUs, status, grpcStatus: x.grpcStatus, error })
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
    if (mayRetryCall(x, head, this.#retryCallsOn) && this.#budget.spend()) {
      x.grpcStatus = parseGrpcStatus(head.headers.get('grpc-status'))
      attempt.cancel()
      this.#again(x, head.status, undefined)
      return
    }
    if (x.guard !== undefined) this.#guarded(x, x.guard, responseBegan, head)
    if (!x.finished) this.#respond(x, head)
  }

  #respond(x: Exchange, head: ResponseHead): void {
    x.response = head
    x.responded = true
    x.replayBody = undefined
    if (!this.#runResponseHead(x, head)) return
    x.down.respond(x, head)
  }

  /** False: a stage failed the exchange, which was answered already. */
  #runResponseHead(x: Exchange, head: ResponseHead): boolean {
    for (const hook of this.#stages.responseHead) {
      try {
        hook.run(x, head)
      } catch (error) {
        x.responded = false
        this.#stageThrew(x, hook, error)
        if (x.finished) return false
        x.responded = true
      }
    }
    return true
  }

  onAttemptData(attempt: Attempt, buf: Buffer, start: number, end: number): void {
    const x = attempt.exchange
    if (x.attempt !== attempt || x.finished) return
    x.responseBytes += end - start
    if (this.#stages.responseData.length > 0) {
      this.#runChunk(x, this.#stages.responseData, buf.subarray(start, end))
      if (x.finished) return
    }
    if (x.guard !== undefined) {
      this.#guardReads(x, x.guard, buf.subarray(start, end))
      if (x.finished) return
    }
    if (this.#holdsEnd(x)) x.heldBack = Buffer.from(buf.subarray(start, end))
    else if (!x.down.data(buf, start, end)) attempt.pauseResponse()
  }

  #guardReads(x: Exchange, guard: Guard, chunk: Buffer): void {
    try {
      guard.onResponseData(x, chunk)
    } catch (error) {
      this.#guardThrew(x, guard, error)
    }
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
      const waiting = hook === undefined ? this.#guardEnd(x, trailers) : this.#runEnd(x, hook)
      if (x.finished) return
      if (waiting === undefined) continue
      // The connection they came on may read other trailers meanwhile.
      const kept = trailers === undefined ? undefined : HeaderBlock.from(trailers.entries())
      waiting
        .catch((error) => this.#stageThrew(x, hook ?? RESPONSE_END, error))
        .then(() => {
          if (!x.finished) this.#responseEnd(x, kept, i + 1)
        })
      return
    }
    if (x.heldBack !== undefined) x.down.data(x.heldBack, 0, x.heldBack.length)
    this.#complete(x, trailers)
  }

  #runEnd(x: Exchange, hook: Hook<(x: Exchange) => undefined | Promise<undefined>>): undefined | Promise<undefined> {
    try {
      return hook.run(x)
    } catch (error) {
      this.#stageThrew(x, hook, error)
      return undefined
    }
  }

  #guardEnd(x: Exchange, trailers: HeaderBlock | undefined): undefined | Promise<undefined> {
    return x.guard === undefined ? undefined : this.#guarded(x, x.guard, responseEnded, trailers)
  }

  #complete(x: Exchange, trailers: HeaderBlock | undefined): void {
    x.down.end(trailers)
    this.#finish(x)
  }

  onAttemptFlush(attempt: Attempt): void {
    const x = attempt.exchange
    if (x.attempt === attempt && !x.finished && !this.#holdsEnd(x)) x.down.flush()
  }

  onAttemptUpgrade(attempt: Attempt, head: ResponseHead, end: TunnelEnd): void {
    const x = attempt.exchange
    if (x.attempt !== attempt || x.finished) return
    x.response = head
    x.responded = true
    if (!this.#runResponseHead(x, head)) {
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
    if (x.answer !== undefined) this.#answer(x, x.answer)
    else this.#fail(x, x.refusal ?? new ProxyError('stage_failed', 'head', 'a stage answered without an answer'))
  }

  /** A response of our own in place of the upstream's. */
  #answer(x: Exchange, answer: Answer): void {
    const head = ownResponseHead(answer)
    x.discardsRequest = true
    this.#respond(x, head)
    if (x.finished) return
    const body = typeof answer.body === 'string' ? Buffer.from(answer.body) : answer.body
    x.responseBytes = body.length
    if (body.length > 0) x.down.data(body, 0, body.length)
    this.#complete(x, answer.trailers === undefined ? undefined : HeaderBlock.from(answer.trailers))
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
    if (x.guard !== undefined) this.#guarded(x, x.guard, exchangeFinished, undefined)
    if (x.attemptLog !== undefined) this.#logAttempt(x, timing.finishUs, x.response?.status ?? 0, x.error)
    for (const hook of this.#stages.finish) {
      try {
        hook.run(x)
      } catch (error) {
        this.#onStageFault(hook.stage)
        this.#log.error({ stage: hook.stage, err: error }, 'a stage threw at the finish')
      }
    }
    x.down.finished()
  }
}

/** Asks of a guard that decide, as hooks of a stage. */
const GATHERED: HeadHook = { stage: 'guard', decides: true, run: (x) => x.guard!.onGathered(x) }
const DISPATCH: HeadHook = { stage: 'guard', decides: true, run: (x) => x.guard!.onDispatch(x) }
type GuardCall<A, T> = (guard: Guard, x: Exchange, given: A) => T
const requestEnded = (guard: Guard, x: Exchange): undefined => guard.onRequestEnd(x)
const responseBegan = (guard: Guard, x: Exchange, head: ResponseHead): undefined => guard.onResponseHead(x, head)
const responseEnded = (guard: Guard, x: Exchange, trailers: HeaderBlock | undefined): undefined | Promise<undefined> =>
  guard.onResponseEnd(x, trailers)
const exchangeFinished = (guard: Guard, x: Exchange): undefined => guard.onFinish(x)
const RESPONSE_END: Hook<unknown> = { stage: 'guard', decides: true, run: undefined }

/** The request head was written to the attempt's connection, and the body may follow. */
function isSending(x: Exchange): boolean {
  return x.attempt?.ready === true && !x.gated
}

/** The request was handed over as a whole and its guard wants to see the end of it. */
function outlives(x: Exchange): boolean {
  return x.guard !== undefined && x.requestEnded && isSending(x) && x.guard.outlivesClient(x)
}

/** The phase an exchange is in, by the slots that are stamped. */
export function phaseOf(x: Exchange): ProxyError['phase'] {
  const { timing } = x
  if (timing.responseUs >= 0) return 'receive'
  if (timing.sentUs >= 0) return 'wait'
  if (timing.sendUs >= 0) return 'send'
  if (timing.tlsUs >= 0) return 'tls'
  if (timing.connectUs >= 0) return 'connect'
  if (timing.dnsUs >= 0) return 'dns'
  return timing.queuedUs >= 0 ? 'queue' : 'head'
}
