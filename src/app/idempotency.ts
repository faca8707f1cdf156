/** Config → the Idempotency-Key stage. */
import type { Config } from '../config/schema.ts'
import type { Logger } from '../core/log.ts'
import type { Sweeper } from '../core/timers.ts'
import type { IdempotencyOutcome } from '../exchange/exchange.ts'
import type { IdempotencyStore } from '../exchange/idempotency-store.ts'
import { Policies } from '../stages/idempotency/policy.ts'
import { Idempotency } from '../stages/idempotency/stage.ts'

/** What a proxy brings for the feature; absent: keys mean nothing. */
export interface IdempotencyParts {
  readonly store: IdempotencyStore
  readonly onOutcome?: (outcome: IdempotencyOutcome) => void
}

export function idempotencyStage(
  idempotency: Config['idempotency'],
  parts: IdempotencyParts,
  sweeper: Sweeper,
  log: Logger,
): Idempotency {
  const { methods, routes, outbound, withoutPrincipal, leaseMs, graceMs, ...rest } = idempotency
  const defaults = { ...rest, mode: idempotency.mode, onStoreDown: idempotency.onStoreDown }
  return new Idempotency({
    ...parts,
    policies: new Policies(defaults, methods, routes),
    outbound,
    withoutPrincipal,
    leaseMs,
    graceMs,
    sweeper,
    log,
  })
}
