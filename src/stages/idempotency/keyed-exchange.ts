/**
 * One request with a key, from its head to its finish: asks for the claim, runs and records, or waits and gets the answer
 * of the one that ran. What it knows of the upstream is in `x.reached`: nothing is released that may have had an effect,
 * and nothing is run again (docs/idempotency.md has the table).
 */
import { nowUs, wallUs } from '../../core/clock.ts'
import { type ErrorCode, ProxyError } from '../../core/errors.ts'
import type { HeaderBlock } from '../../core/headers.ts'
import { ResponseHead } from '../../core/message.ts'
import type { Deadlined } from '../../core/timers.ts'
import type { Exchange, IdempotencyOutcome } from '../../exchange/exchange.ts'
import type { ClaimResult, IdempotencyRecord, Soon } from '../../exchange/idempotency-store.ts'
import { ANSWERED, CONTINUE, GATHER, GATHER_BYTES, type Guard, type Verdict } from '../../exchange/stage.ts'
import { parseTraceparent } from '../w3c.ts'
import { Execution, type Shared } from './execution.ts'
import { type Flight, isInFlight, type Landing, type Passenger } from './flights.ts'
import { beginningOf, bytesBegun, Fingerprint, fingerprintOf } from './identity.ts'
import type { CompiledPolicy } from './policy.ts'
import type { Loan } from './replays.ts'
import { replayed } from './response.ts'

export class KeyedExchange implements Guard, Passenger, Deadlined {
  readonly name = 'idempotency'
  readonly #x: Exchange
  readonly #id: string
  readonly #principal: string
  readonly #policy: CompiledPolicy
  readonly #shared: Shared
  /** Hashes the body while it is read. */
  #hash: Fingerprint | undefined
  /** '' until the body was read. */
  #fingerprint = ''
  /** The body was gathered, or there is none: it is in `x.replayBody` for as long as nothing is sent. */
  #isHere = false
  /** Of a body that streamed by: its first bytes, as many as the record it is held against has; undefined: not known. */
  #beginning: string | undefined
  /** The flight that it waits in. */
  #flight: Flight | undefined
  /** Set while it runs the request itself. */
  #execution: Execution | undefined
  #landing: Landing | undefined
  /** The hash was told in time how many bytes to look at. */
  #isMarked = false
  /** The body that it is given in place of the upstream's. */
  #loan: Loan | undefined
  #resolve: ((verdict: Verdict | Promise<Verdict>) => void) | undefined
  /** When the wait for the answer of another began. */
  #waitUntilUs = -1
  deadlineUs = Number.POSITIVE_INFINITY

  constructor(x: Exchange, id: string, principal: string, policy: CompiledPolicy, shared: Shared) {
    this.#x = x
    this.#id = id
    this.#principal = principal
    this.#policy = policy
    this.#shared = shared
  }

  /** At the request head. */
  begin(): Verdict | Promise<Verdict> {
    const { request } = this.#x
    if (request.bodyLength > this.#policy.maxBodyBytes) return this.#refuse('idempotency_body_too_large', 'refused')
    if (request.bodyLength === 0) {
      this.#isHere = true
      this.#fingerprint = fingerprintOf(request, [])
      return this.#decide()
    }
    // A small body is here in a moment: with it a repeat is known for what it is before anything is decided.
    if (request.bodyLength > 0 && request.bodyLength <= GATHER_BYTES && !request.expectContinue) return GATHER
    this.#hash = new Fingerprint(request)
    return this.#decide()
  }

  // === the request ===

  onRequestData(x: Exchange, buf: Buffer, start: number, end: number): undefined {
    const hash = this.#hash!
    hash.update(buf.subarray(start, end))
    if (hash.bytes <= this.#policy.maxBodyBytes || x.refusal !== undefined) return
    const verdict = this.#refuse('idempotency_body_too_large', 'refused')
    this.#leave()
    this.#resolve?.(verdict)
  }

  onRequestEnd(x: Exchange): undefined {
    if (this.#hash !== undefined) {
      if (this.#landing?.kind === 'record' && this.#isMarked) this.#beginning = this.#hash.marked
      this.#fingerprint = this.#hash.digest()
    }
    this.#hash = undefined
    this.#execution?.learn(this.#fingerprint)
    if (this.#landing !== undefined) this.#conclude(this.#landing)
    else if (this.#flight !== undefined && !x.finished) this.onFingerprint(this.#flight.fingerprint)
  }

  onGathered(x: Exchange): Verdict | Promise<Verdict> {
    this.#isHere = true
    this.#fingerprint = fingerprintOf(x.request, x.replayBody ?? [])
    return this.#decide()
  }

  // === first, or a repeat ===

  #decide(): Verdict | Promise<Verdict> {
    const flight = this.#shared.flights.get(this.#id)
    return flight === undefined ? this.#lead() : this.#follow(flight)
  }

  /** Nobody in this process asks for the key: ask the store. */
  #lead(): Verdict | Promise<Verdict> {
    const x = this.#x
    const flight = this.#shared.flights.open(this.#id, this.#fingerprint)
    const execution = new Execution(x, flight, this.#policy, this.#shared, this.#principal)
    let asked: Soon<ClaimResult>
    try {
      asked = execution.claim(this.#fingerprint)
    } catch (error) {
      return this.#notClaimed(flight, error)
    }
    if (!(asked instanceof Promise)) return this.#claimed(execution, flight, asked)
    return asked.then(
      (result) => this.#claimed(execution, flight, result),
      (error) => this.#notClaimed(flight, error),
    )
  }

  #notClaimed(flight: Flight, error: unknown): Verdict {
    this.#shared.flights.land(flight, { kind: 'lost', error, runs: false })
    return this.#storeDown(false)
  }

  #claimed(execution: Execution, flight: Flight, result: ClaimResult): Verdict | Promise<Verdict> {
    const { flights } = this.#shared
    if (result.kind === 'claimed') {
      if (this.#x.finished) execution.finish()
      else {
        this.#execution = execution
        this.#x.idempotency = 'first'
      }
      return CONTINUE
    }
    if (isInFlight(result.record)) {
      flight.learn(result.record.fingerprint)
      const verdict = this.#follow(flight)
      void flights.watch(flight)
      return verdict
    }
    const landing = { kind: 'record', record: result.record } as const
    flights.land(flight, landing)
    return this.#fingerprint === '' ? this.#readOn(landing) : this.#answer(result.record, 'replay')
  }

  /** The key is in the air: wait for what becomes of it. */
  #follow(flight: Flight): Verdict | Promise<Verdict> {
    if (this.#differs(flight.fingerprint)) return this.#refuse('idempotency_key_reused', 'mismatch')
    const now = nowUs()
    if (this.#waitUntilUs < 0) this.#waitUntilUs = now + this.#policy.waitMs * 1000
    if (now >= this.#waitUntilUs) return this.#refuse('idempotency_in_flight', 'conflict')
    this.#flight = flight
    flight.passengers ??= new Set()
    flight.passengers.add(this)
    this.deadlineUs = this.#waitUntilUs
    this.#shared.sweeper.add(this)
    return this.#readOn(undefined)
  }

  /** Read the body for its fingerprint alone; what to do is decided when it is known, and the landing as well. */
  #readOn(landing: Landing | undefined): Promise<Verdict> {
    const x = this.#x
    this.#await(landing)
    const verdict = new Promise<Verdict>((resolve) => {
      this.#resolve = resolve
    })
    if (this.#fingerprint === '' && !x.discardsRequest) {
      x.discardsRequest = true
      // The upstream will not ask for the body this time.
      if (x.request.expectContinue) x.down.informational(continueHead())
      x.down.resumeRequest()
    }
    return verdict
  }

  /** The body is still read; what it is held against is known. */
  #await(landing: Landing | undefined): void {
    this.#landing = landing
    const bytes = landing?.kind === 'record' ? bytesBegun(landing.record.fingerprint) : -1
    this.#isMarked = bytes >= 0 && this.#hash?.mark(bytes) === true
  }

  get mayLead(): boolean {
    return !this.#x.discardsRequest
  }

  onFingerprint(fingerprint: string): void {
    if (!this.#differs(fingerprint)) return
    this.#leave()
    this.#resolve?.(this.#refuse('idempotency_key_reused', 'mismatch'))
  }

  #differs(fingerprint: string): boolean {
    return fingerprint !== '' && this.#fingerprint !== '' && fingerprint !== this.#fingerprint
  }

  onLanded(landing: Landing): void {
    this.#leave()
    if (landing.kind === 'record' && this.#fingerprint === '') this.#await(landing)
    else this.#conclude(landing)
  }

  /** The wait is over. */
  onDeadline(): void {
    this.#leave()
    this.#resolve?.(this.#refuse('idempotency_in_flight', 'conflict'))
  }

  #leave(): void {
    this.deadlineUs = Number.POSITIVE_INFINITY
    this.#shared.sweeper.remove(this)
    if (this.#flight !== undefined) this.#shared.flights.leave(this.#flight, this)
    this.#flight = undefined
  }

  /** Both the landing and the own fingerprint are known. */
  #conclude(landing: Landing): void {
    this.#landing = undefined
    const resolve = this.#resolve
    this.#resolve = undefined
    if (!this.#x.finished) resolve?.(this.#verdictOn(landing))
  }

  #verdictOn(landing: Landing): Verdict | Promise<Verdict> {
    switch (landing.kind) {
      case 'record':
        return this.#answer(landing.record, this.#waitUntilUs < 0 ? 'replay' : 'wait')
      case 'failed':
        this.#x.idempotency = 'wait'
        this.#x.refusal = landing.error
        return ANSWERED
      case 'lost':
        return this.#storeDown(landing.runs)
      case 'free':
        return this.#runInstead()
    }
  }

  #runInstead(): Verdict | Promise<Verdict> {
    // What was thrown away cannot be sent: wait for one that can, or try again later.
    if (this.mayLead || this.#shared.flights.get(this.#id) !== undefined) return this.#decide()
    return this.#refuse('idempotency_in_flight', 'conflict')
  }

  #answer(record: IdempotencyRecord, outcome: IdempotencyOutcome): Verdict | Promise<Verdict> {
    const x = this.#x
    const begun = bytesBegun(record.fingerprint)
    const beginning = begun < 0 ? '' : this.#beginningOf(begun)
    // Of its body no more than the whole is known by now: asked again, it is held against the record from its first byte.
    if (beginning === undefined) return this.#refuse('idempotency_in_flight', 'conflict')
    const differs = begun < 0 ? this.#differs(record.fingerprint) : beginning !== record.fingerprint
    if (differs) return this.#refuse('idempotency_key_reused', 'mismatch')
    if (record.state === 'unknown') {
      const again = this.#policy.retriesUnknown && this.mayLead
      return again ? this.#decide() : this.#refuse('idempotency_outcome_unknown', 'unknown')
    }
    if (record.state !== 'completed') return this.#refuse('idempotency_key_expired', 'expired')
    if (x.finished) return ANSWERED
    const { response } = record
    if (response?.body === undefined) return this.#notKept(record)
    this.#loan = this.#shared.replays.lend(this.#id, this.#principal, response)
    if (this.#loan === undefined) return this.#refuse('overloaded', 'refused', 'responses that are given again')
    x.answer = replayed(record, response, this.#loan.body, wallUs(nowUs()) / 1000)
    x.idempotency = outcome
    const origin = parseTraceparent(record.traceparent)
    if (origin !== undefined) x.originalLink = { traceId: origin.traceId, spanId: origin.spanId }
    return ANSWERED
  }

  #beginningOf(bytes: number): string | undefined {
    const { request, replayBody } = this.#x
    return this.#isHere ? beginningOf(request, replayBody ?? [], bytes) : this.#beginning
  }

  #notKept({ response }: IdempotencyRecord): Verdict {
    const detail = response === undefined ? '' : `status ${response.status}, a body of ${response.bodyBytes} bytes`
    return this.#refuse('idempotency_body_not_kept', 'not_kept', detail)
  }

  #refuse(code: ErrorCode, outcome: IdempotencyOutcome, detail = ''): Verdict {
    this.#x.idempotency = outcome
    this.#x.refusal = new ProxyError(code, 'head', detail)
    return ANSWERED
  }

  /** `runs`: another process is known to run it, so that forwarding would run it twice, whatever the route says. */
  #storeDown(runs: boolean): Verdict {
    const x = this.#x
    const refused = this.#policy.closed || x.discardsRequest || runs
    if (refused) return this.#refuse('idempotency_store_down', 'store_error')
    x.idempotency = 'bypass'
    return CONTINUE
  }

  // === running it ===

  onDispatch(): Verdict | Promise<Verdict> {
    const execution = this.#execution
    if (execution === undefined) return CONTINUE
    let asked: Soon<boolean>
    try {
      asked = execution.dispatch(this.#fingerprint)
    } catch {
      return this.#notDispatched(execution)
    }
    if (!(asked instanceof Promise)) return this.#dispatched(asked)
    return asked.then(
      (held) => this.#dispatched(held),
      () => this.#notDispatched(execution),
    )
  }

  #dispatched(held: boolean): Verdict {
    return held ? CONTINUE : this.#refuse('idempotency_in_flight', 'conflict', 'the claim was lost')
  }

  #notDispatched(execution: Execution): Verdict {
    if (!this.#policy.closed) execution.dispatchUnprotected()
    return this.#storeDown(false)
  }

  /** Its outcome must be known: nothing was sent, or the upstream itself keeps a second run from happening. */
  mayRepeat(x: Exchange): boolean {
    return !x.reached || this.#policy.retriesUnknown
  }

  onResponseHead(_x: Exchange, head: ResponseHead): undefined {
    this.#execution?.record(head)
  }

  onResponseData(_x: Exchange, buf: Buffer, start: number, end: number): undefined {
    this.#execution?.data(buf, start, end)
  }

  onResponseEnd(_x: Exchange, trailers: HeaderBlock | undefined): undefined | Promise<undefined> {
    // An answer that came before the end of its request stands for what had come of that.
    return this.#execution?.complete(this.#hash?.begun() ?? this.#fingerprint, trailers)
  }

  outlivesClient(): boolean {
    return this.#execution?.dispatched === true
  }

  onFinish(): undefined {
    if (this.#loan !== undefined) this.#shared.replays.giveBack(this.#loan)
    if (this.#waitUntilUs >= 0) this.#leave()
    this.#execution?.finish()
  }
}

function continueHead(): ResponseHead {
  const head = new ResponseHead()
  head.status = 100
  head.reason = 'Continue'
  return head
}
