/** The one run of a key: its claim in the store from the claim to the outcome, and the recording of its response. */
import { nowUs, wallUs } from '../../core/clock.ts'
import type { HeaderBlock } from '../../core/headers.ts'
import { newSpanId } from '../../core/ids.ts'
import type { Logger } from '../../core/log.ts'
import type { ResponseHead } from '../../core/message.ts'
import type { Sweeper } from '../../core/timers.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type {
  Claim,
  ClaimResult,
  IdempotencyRecord,
  IdempotencyStore,
  RecordState,
  Soon,
  StoredResponse,
} from '../../exchange/idempotency-store.ts'
import { formatTraceparent } from '../w3c.ts'
import type { Flight, Flights, Landing } from './flights.ts'
import type { Leased, Leases } from './leases.ts'
import type { CompiledPolicy } from './policy.ts'
import type { Replays } from './replays.ts'
import { Recording } from './response.ts'
import type { SharedBudget } from './shared-budget.ts'
import { settle } from './soon.ts'

/** What all requests with a key share. */
export interface Shared {
  readonly store: IdempotencyStore
  readonly flights: Flights
  /** For bodies that are being recorded. */
  readonly budget: SharedBudget
  readonly replays: Replays
  readonly sweeper: Sweeper
  readonly leases: Leases
  readonly log: Logger
  readonly leaseMs: number
  readonly graceMs: number
}

/** No claim. */
const NONE = 0
const CLAIMED = 1
/** Durable: bytes may leave. */
const DISPATCHED = 2
/** The outcome is on its way to the store, or there. */
const SETTLED = 3

/** Tries to store an outcome that the store did not take, one a third of a lease. */
const LATE_TRIES = 10

export class Execution implements Leased {
  readonly #x: Exchange
  readonly #flight: Flight
  readonly #policy: CompiledPolicy
  readonly #shared: Shared
  readonly #principal: string
  #state = NONE
  #claim: Claim | undefined
  /** The dispatch is on its way to the store. */
  #dispatching: Soon<boolean> | undefined
  #fingerprint = ''
  #recording: Recording | undefined
  #createdMs = 0
  #traceparent = ''
  /** An outcome that the store has still to take. */
  #late: StoredResponse | undefined
  #lateTries = 0
  leaseDueUs = -1
  leaseBefore: Leased | undefined = undefined
  leaseAfter: Leased | undefined = undefined

  constructor(x: Exchange, flight: Flight, policy: CompiledPolicy, shared: Shared, principal: string) {
    this.#x = x
    this.#flight = flight
    this.#policy = policy
    this.#shared = shared
    this.#principal = principal
  }

  get dispatched(): boolean {
    return this.#state === DISPATCHED
  }

  /** Ask for the key. */
  claim(fingerprint: string): Soon<ClaimResult> {
    const { store, leaseMs, graceMs } = this.#shared
    const { trace, requestId } = this.#x
    this.#fingerprint = fingerprint
    this.#createdMs = wallUs(this.#x.timing.startUs) / 1000
    this.#traceparent = trace === undefined ? '' : formatTraceparent(trace.traceId, trace.spanId, trace.flags)
    const asked = store.claim({
      id: this.#flight.id,
      owner: newSpanId(),
      fingerprint,
      requestId,
      traceparent: this.#traceparent,
      leaseMs,
      ttlMs: this.#policy.ttlMs,
      graceMs,
      overUnknown: this.#policy.retriesUnknown,
    })
    return asked instanceof Promise ? asked.then((result) => this.#asked(result)) : this.#asked(asked)
  }

  #asked(result: ClaimResult): ClaimResult {
    if (result.kind !== 'claimed') return result
    this.#claim = result.claim
    this.#state = CLAIMED
    this.#shared.leases.add(this)
    return result
  }

  /** The fingerprint is known now; repeats elsewhere will want it. */
  learn(fingerprint: string): void {
    if (this.#fingerprint !== '') return
    this.#fingerprint = fingerprint
    this.#flight.learn(fingerprint)
    if (this.#state === DISPATCHED) this.#renew()
  }

  /** Durable before it resolves; false: the claim is lost and nothing may be sent. */
  dispatch(fingerprint: string): Soon<boolean> {
    if (this.#state === DISPATCHED) return true
    if (this.#dispatching !== undefined) return this.#dispatching
    const asked = this.#shared.store.dispatch(this.#claim!, fingerprint, this.#shared.leaseMs)
    if (!(asked instanceof Promise)) return this.#dispatchAnswered(asked)
    this.#dispatching = asked.then((held) => this.#dispatchAnswered(held))
    return this.#dispatching
  }

  #dispatchAnswered(held: boolean): boolean {
    if (held && this.#state === CLAIMED) this.#state = DISPATCHED
    return held
  }

  /** The store is down and the request goes out all the same. Should the store be back in time, it learns the outcome. */
  dispatchUnprotected(): void {
    if (this.#state === CLAIMED) this.#state = DISPATCHED
  }

  // === the response ===

  record(head: ResponseHead): undefined {
    if (this.#state !== DISPATCHED) return
    this.#recording = new Recording(head, this.#policy.maxResponseBytes, this.#shared.budget, this.#principal)
  }

  data(buf: Buffer, start: number, end: number): void {
    this.#recording?.data(buf, start, end)
  }

  /** The response was read to its end: store it. Never rejects: the client gets its response in any case. */
  complete(fingerprint: string, trailers: HeaderBlock | undefined): undefined | Promise<undefined> {
    const recording = this.#recording
    if (this.#state !== DISPATCHED || recording === undefined) return undefined
    this.#state = SETTLED
    this.#fingerprint = fingerprint
    const response = recording.finish(trailers, wallMs())
    const claim = this.#claim!
    const { store } = this.#shared
    if (this.#policy.releases(recording.status))
      return this.#finally(() => store.release(claim), this.#shareable(response))
    let answer: Soon<boolean>
    try {
      answer = store.complete(claim, fingerprint, response)
    } catch (error) {
      return this.#notStored(response, error)
    }
    if (!(answer instanceof Promise)) return this.#stored(response, answer)
    return answer.then(
      (held) => this.#stored(response, held),
      (error) => this.#notStored(response, error),
    )
  }

  #stored(response: StoredResponse, held: boolean): undefined {
    if (!held) this.#shared.log.warn({ store: this.#shared.store.name }, 'an answer came after its claim was lost')
    return this.#end(this.#recordLanding('completed', response))
  }

  #notStored(response: StoredResponse, error: unknown): undefined {
    if (this.#x.idempotency === 'first') this.#x.idempotency = 'store_error'
    this.#shared.log.warn({ store: this.#shared.store.name, err: error }, 'an answer could not be stored')
    this.#storeLate(response, this.#recordLanding('completed', response))
    return undefined
  }

  /** Those that wait get the answer even where it is not kept: they asked for the same at the same time. */
  #shareable(response: StoredResponse): Landing {
    return response.body === undefined ? { kind: 'free' } : this.#recordLanding('completed', response)
  }

  #recordLanding(state: RecordState, response: StoredResponse | undefined): Landing {
    const record: IdempotencyRecord = {
      state,
      fingerprint: this.#fingerprint,
      createdMs: this.#createdMs,
      requestId: this.#x.requestId,
      traceparent: this.#traceparent,
      response,
    }
    return { kind: 'record', record }
  }

  // === the end ===

  /** The exchange is over. */
  finish(): void {
    const claim = this.#claim
    if (claim === undefined || this.#state === SETTLED) return
    const { store } = this.#shared
    const { error, reached } = this.#x
    const sent = this.#state === DISPATCHED && reached
    this.#state = SETTLED
    if (sent) {
      void this.#finally(() => store.markUnknown(claim, this.#fingerprint), this.#recordLanding('unknown', undefined))
      return
    }
    // A failure of the upstream's side or ours would meet the next one too; one of this client's would not.
    const failed = error !== undefined && error.source !== 'downstream'
    const landing: Landing = failed ? { kind: 'failed', error } : { kind: 'free' }
    // A dispatch that is under way must not come after the release.
    const before = this.#dispatching instanceof Promise ? this.#dispatching.catch(() => false) : undefined
    if (before === undefined) void this.#finally(() => store.release(claim), landing)
    else void before.then(() => this.#finally(() => store.release(claim), landing))
  }

  /** Tell the store; whatever it says, the flight is over. What it did not hear, its lease says in time. */
  #finally(tell: () => Soon<boolean>, landing: Landing): undefined | Promise<undefined> {
    return settle(
      tell,
      () => this.#end(landing),
      (error) => {
        this.#shared.log.warn({ store: this.#shared.store.name, err: error }, 'the end of a claim could not be stored')
        return this.#end(landing)
      },
    )
  }

  #end(landing: Landing): undefined {
    this.#state = SETTLED
    this.#recording?.discard()
    this.#recording = undefined
    this.#shared.leases.remove(this)
    this.#shared.flights.land(this.#flight, landing)
    return undefined
  }

  /** The store may be back before the lease is over: until then the outcome can still be known. */
  #storeLate(response: StoredResponse, landing: Landing): void {
    this.#late = response
    this.#shared.flights.land(this.#flight, landing)
  }

  // === the lease ===

  onLeaseDue(): void {
    if (this.#late === undefined) this.#renew()
    else this.#tryLate(this.#late)
  }

  #renew(): void {
    // One that fails is followed by the next; a claim that is lost shows when the outcome is stored.
    settle(
      () => this.#shared.store.renew(this.#claim!, this.#fingerprint, this.#shared.leaseMs),
      () => undefined,
      () => undefined,
    )
  }

  #tryLate(response: StoredResponse): void {
    const done = (): undefined => {
      this.#late = undefined
      this.#recording?.discard()
      this.#shared.leases.remove(this)
      return undefined
    }
    settle(
      () => this.#shared.store.complete(this.#claim!, this.#fingerprint, response),
      done,
      () => (++this.#lateTries >= LATE_TRIES ? done() : undefined),
    )
  }
}

const wallMs = (): number => wallUs(nowUs()) / 1000
