/** The Idempotency-Key stage: a request with a key runs once, and its repeats get its response. */
import { nowUs } from '../../core/clock.ts'
import { type ErrorCode, ProxyError } from '../../core/errors.ts'
import { RPC_NONE, rpcKindOf } from '../../core/grpc.ts'
import { knownId } from '../../core/known-names.ts'
import type { Logger } from '../../core/log.ts'
import type { Sweeper } from '../../core/timers.ts'
import type { Exchange, IdempotencyOutcome } from '../../exchange/exchange.ts'
import type { IdempotencyStore } from '../../exchange/idempotency-store.ts'
import { ANSWERED, CONTINUE, type Stage, type Verdict } from '../../exchange/stage.ts'
import type { Shared } from './execution.ts'
import { Flights } from './flights.ts'
import { recordId } from './identity.ts'
import { readKey } from './key.ts'
import { KeyedExchange } from './keyed-exchange.ts'
import { Leases } from './leases.ts'
import type { CompiledPolicy, Policies } from './policy.ts'
import { Replays } from './replays.ts'
import { SharedBudget } from './shared-budget.ts'

export interface IdempotencyOptions {
  readonly store: IdempotencyStore
  readonly policies: Policies
  /** Keys of outbound requests count too. */
  readonly outbound: boolean
  readonly withoutPrincipal: 'refuse' | 'address'
  readonly leaseMs: number
  readonly graceMs: number
  readonly sweeper: Sweeper
  readonly log: Logger
  /** Once for each request with a key, at its end. */
  readonly onOutcome?: (outcome: IdempotencyOutcome) => void
}

const CONTENT_TYPE = knownId('content-type')
/** Bytes of responses that are being recorded at once. */
const RECORDING_BYTES = 64 * 1024 * 1024
/** Bytes of large bodies that are being given again at once. */
const REPLAY_BYTES = 64 * 1024 * 1024

export class Idempotency implements Stage {
  readonly name = 'idempotency'
  readonly role = 'decide'
  readonly #options: IdempotencyOptions
  readonly #shared: Shared
  readonly #outcomes = new Map<IdempotencyOutcome, number>()

  constructor(options: IdempotencyOptions) {
    this.#options = options
    const { store, sweeper, log, leaseMs, graceMs } = options
    const flights = new Flights(store)
    const budget = new SharedBudget(RECORDING_BYTES)
    const replays = new Replays(REPLAY_BYTES)
    const leases = new Leases(sweeper, leaseMs / 3)
    this.#shared = { store, flights, budget, replays, sweeper, leases, log, leaseMs, graceMs }
  }

  onRequestHead(x: Exchange): Verdict | Promise<Verdict> {
    const { policies } = this.#options
    const { request } = x
    if (!policies.concerns(request.method)) return CONTINUE
    if (x.direction === 'outbound' && !this.#options.outbound) return CONTINUE
    const reading = readKey(request.headers)
    if (reading.kind === 'none' && !policies.requires) return CONTINUE
    const policy = policies.of(request.method, request.path)
    if (policy === undefined || isStream(x)) return CONTINUE
    if (reading.kind === 'key') return this.#keyed(x, policy, reading.key)
    if (reading.kind === 'fault') return refuse(x, 'idempotency_key_invalid', reading.fault)
    return policy.mode === 'require' ? refuse(x, 'idempotency_key_missing') : CONTINUE
  }

  #keyed(x: Exchange, policy: CompiledPolicy, key: string): Verdict | Promise<Verdict> {
    const principal = this.#principalOf(x, policy)
    if (principal === undefined) return refuse(x, 'idempotency_no_principal')
    const keyed = new KeyedExchange(x, recordId(x.request, principal, key), principal, policy, this.#shared)
    x.guard = keyed
    return keyed.begin()
  }

  #principalOf(x: Exchange, policy: CompiledPolicy): string | undefined {
    const principal = policy.principal(x)
    if (principal !== undefined) return `p:${principal}`
    return this.#options.withoutPrincipal === 'address' ? `a:${x.connection.peer.address}` : undefined
  }

  onResponseHead(x: Exchange, head: Parameters<NonNullable<Stage['onResponseHead']>>[1]): undefined {
    if (x.idempotency === 'bypass') head.headers.appendOwn('Idempotency-Status', 'bypassed')
    return undefined
  }

  onFinish(x: Exchange): undefined {
    const outcome = x.idempotency
    if (outcome === undefined) return
    this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + 1)
    this.#options.onOutcome?.(outcome)
  }

  close(): Promise<void> {
    return this.#shared.store.close()
  }

  /** For the admin server: counts, never keys. */
  async describe(): Promise<object> {
    const { store, flights } = this.#shared
    const startUs = nowUs()
    const records = await Promise.resolve()
      .then(() => store.counts())
      .then(
        (counts) => ({ counts, answeredMs: Math.round(nowUs() - startUs) / 1000 }),
        (error) => ({ error: error instanceof Error ? error.message : String(error) }),
      )
    return { store: store.name, records, ...flights.counts(), outcomes: Object.fromEntries(this.#outcomes) }
  }
}

/** What may leave HTTP or goes on without end is forwarded as it is. */
function isStream({ request }: Exchange): boolean {
  return request.upgrade !== '' || rpcKindOf(request.headers.known(CONTENT_TYPE)) !== RPC_NONE
}

function refuse(x: Exchange, code: ErrorCode, detail = ''): Verdict {
  x.idempotency = 'refused'
  x.refusal = new ProxyError(code, 'head', detail)
  return ANSWERED
}
