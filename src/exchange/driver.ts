/**
 * Moves one exchange from head to finish: stages, the attempt and its one safe replay, the response, the end. It owns
 * flow control and the word "finished", which it says exactly once for every exchange, whatever happens.
 */
import { nowUs } from '../core/clock.ts'
import { errnoOf, ProxyError } from '../core/errors.ts'
import { HeaderBlock } from '../core/headers.ts'
import { newSpanId } from '../core/ids.ts'
import type { Logger } from '../core/log.ts'
import type { ResponseHead } from '../core/message.ts'
import type { Hook, PhaseTables } from './compile.ts'
import { type Answer, type Exchange, ownResponseHead } from './exchange.ts'
import type { Attempt, AttemptEvents, TunnelEnd, Upstream } from './ports.ts'
import { mayReplay, REPLAY_BYTES, RetryBudget } from './retry-policy.ts'
import { ANSWERED, CONTINUE, type Verdict } from './stage.ts'

/** What a driver is made of. */
export interface DriverOptions {
  readonly stages: PhaseTables
  readonly upstream: Upstream
  /** Turns a failure into the response that the client gets (`http/rescue`). */
  readonly rescue: (x: Exchange, error: ProxyError) => Answer
  readonly log: Logger
  /** An observing stage threw. */
  readonly onStageFault?: (stage: string) => void
}

/** One driver serves all connections of a listener. */
export class Driver implements AttemptEvents {
  readonly #stages: PhaseTables
  readonly #upstream: Upstream
  readonly #rescue: DriverOptions['rescue']
  readonly #log: Logger
  readonly #onStageFault: (stage: string) => void
  readonly #budget = new RetryBudget()
  /** Exchanges begun and not finished. */
  active = 0

  constructor(options: DriverOptions) {
    this.#stages = options.stages
    this.#upstream = options.upstream
    this.#rescue = options.rescue
    this.#log = options.log
    this.#onStageFault = options.onStageFault ?? (() => {})
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
    return x.discardsRequest || x.attempt?.ready === true
  }

  requestData(x: Exchange, buf: Buffer, start: number, end: number): void {
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
    if (!x.discardsRequest && x.attempt?.ready === true) x.attempt.end(trailers)
  }

  /** The end of a batch of client events. */
  flushRequest(x: Exchange): void {
    if (x.attempt?.ready === true) x.attempt.flush()
  }

  downstreamDrained(x: Exchange): void {
    x.attempt?.resumeResponse()
  }

  /** The request broke off or was malformed in its body, or a deadline passed. */
  downstreamFailed(x: Exchange, error: ProxyError): void {
    if (x.finished) return
    x.attempt?.cancel()
    this.#fail(x, error)
  }

  /** The client's connection is gone: nothing can be answered. */
  downstreamClosed(x: Exchange, cause: Error | undefined): void {
    if (x.finished) return
    x.attempt?.cancel()
    x.error ??= new ProxyError('client_closed', phaseOf(x), '', { errno: errnoOf(cause), cause })
    this.#finish(x)
  }

  // === stages ===

  #requestHead(x: Exchange, from: number): void {
    const hooks = this.#stages.requestHead
    for (let i = from; i < hooks.length; i++) {
      const verdict = this.#runHead(x, hooks[i]!)
      if (verdict instanceof Promise) {
        this.#await(x, hooks[i]!, verdict, i + 1)
        return
      }
      if (x.finished) return
      if (verdict === ANSWERED) {
        this.#stageAnswered(x)
        return
      }
    }
    x.timing.queuedUs = nowUs()
    this.#attempt(x)
  }

  #runHead(x: Exchange, hook: Hook<(x: Exchange) => Verdict | Promise<Verdict>>): Verdict | Promise<Verdict> {
    try {
      return hook.run(x)
    } catch (error) {
      return this.#stageThrew(x, hook, error)
    }
  }

  #await(
    x: Exchange,
    hook: Hook<(x: Exchange) => Verdict | Promise<Verdict>>,
    verdict: Promise<Verdict>,
    next: number,
  ): void {
    verdict
      .catch((error) => this.#stageThrew(x, hook, error))
      .then((settled) => {
        if (x.finished) return
        if (settled === ANSWERED) this.#stageAnswered(x)
        else this.#requestHead(x, next)
        x.down.resumeRequest()
      })
  }

  /** An observer's fault is counted and traffic goes on; a decider's fails the exchange. */
  #stageThrew(x: Exchange, hook: Hook<unknown>, error: unknown): Verdict {
    this.#onStageFault(hook.stage)
    this.#log.error({ stage: hook.stage, err: error }, 'a stage threw')
    // On the response to a failure, a second fault changes nothing: the first is answered.
    if (hook.decides && !x.finished && x.error === undefined) {
      x.attempt?.cancel()
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
    if (attempt.ready) this.#begin(x, attempt)
  }

  #begin(x: Exchange, attempt: Attempt): void {
    attempt.begin()
    for (const piece of x.replayBody ?? []) attempt.data(piece, 0, piece.length)
    if (x.requestEnded) attempt.end(undefined)
  }

  onAttemptReady(attempt: Attempt): void {
    const x = attempt.exchange
    if (x.attempt !== attempt) return
    this.#begin(x, attempt)
    x.down.resumeRequest()
    attempt.flush()
  }

  /** Small bodies of repeatable requests on reused connections are kept until the response begins. */
  #keepForReplay(x: Exchange, attempt: Attempt, buf: Buffer, start: number, end: number): void {
    if (!attempt.reused || x.responded) return
    if (x.requestBytes === 0) x.replayBody = []
    if (x.replayBody === undefined) return
    if (x.requestBytes + end - start > REPLAY_BYTES) x.replayBody = undefined
    else x.replayBody.push(Buffer.from(buf.subarray(start, end)))
  }

  onAttemptError(attempt: Attempt, error: ProxyError): void {
    const x = attempt.exchange
    if (x.attempt !== attempt || x.finished) return
    // What provably was not sent costs the upstream nothing: no budget for it.
    if (mayReplay(x, attempt, error) && (attempt.bytesSent === 0 || this.#budget.spend())) {
      this.#logAttempt(x, nowUs(), 0, error)
      x.timing.dnsUs = x.timing.connectUs = x.timing.tlsUs = x.timing.sendUs = x.timing.sentUs = -1
      this.#attempt(x)
      x.attempt.flush()
      return
    }
    this.#fail(x, error)
  }

  /** One attempt of several: each becomes a CLIENT span below the exchange's own. */
  #logAttempt(x: Exchange, endUs: number, status: number, error: ProxyError | undefined): void {
    const before = x.attemptLog?.at(-1)
    x.attemptLog ??= []
    x.attemptLog.push({ spanId: newSpanId(), startUs: before?.endUs ?? x.timing.queuedUs, endUs, status, error })
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
    this.#respond(x, head)
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
    if (this.#stages.responseEnd.length > 0) {
      this.#holdBack(x, Buffer.from(buf.subarray(start, end)))
    } else if (!x.down.data(buf, start, end)) {
      attempt.pauseResponse()
    }
  }

  /** A stage may wait at the end of the response, before its last byte leaves: stay one piece behind. */
  #holdBack(x: Exchange, piece: Buffer): void {
    const before = x.heldBack
    x.heldBack = piece
    if (before !== undefined && !x.down.data(before, 0, before.length)) x.attempt?.pauseResponse()
  }

  onAttemptEnd(attempt: Attempt, trailers: HeaderBlock | undefined): void {
    const x = attempt.exchange
    if (x.attempt !== attempt || x.finished) return
    if (this.#stages.responseEnd.length > 0) this.#responseEnd(x, trailers, 0)
    else this.#complete(x, trailers)
  }

  #responseEnd(x: Exchange, trailers: HeaderBlock | undefined, from: number): void {
    const hooks = this.#stages.responseEnd
    for (let i = from; i < hooks.length; i++) {
      const hook = hooks[i]!
      let waiting: undefined | Promise<undefined>
      try {
        waiting = hook.run(x)
      } catch (error) {
        this.#stageThrew(x, hook, error)
      }
      if (x.finished) return
      if (waiting === undefined) continue
      // The connection they came on may read other trailers meanwhile.
      const kept = trailers === undefined ? undefined : HeaderBlock.from(trailers.entries())
      waiting
        .catch((error) => this.#stageThrew(x, hook, error))
        .then(() => {
          if (!x.finished) this.#responseEnd(x, kept, i + 1)
        })
      return
    }
    if (x.heldBack !== undefined) x.down.data(x.heldBack, 0, x.heldBack.length)
    this.#complete(x, trailers)
  }

  #complete(x: Exchange, trailers: HeaderBlock | undefined): void {
    x.down.end(trailers)
    this.#finish(x)
  }

  onAttemptFlush(attempt: Attempt): void {
    const x = attempt.exchange
    if (x.attempt === attempt && !x.finished) x.down.flush()
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
    this.#complete(x, undefined)
  }

  #fail(x: Exchange, error: ProxyError): void {
    const again = x.error !== undefined
    x.error = error
    x.discardsRequest = true
    // A stage that throws on the error response as well would bring us here for ever.
    if (x.responded || again) {
      x.down.abort()
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
