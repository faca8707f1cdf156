/** Config → the Idempotency-Key stage. */
import { readFileSync } from 'node:fs'
import type { Config } from '../config/schema.ts'
import type { Logger } from '../core/log.ts'
import type { Sweeper } from '../core/timers.ts'
import type { IdempotencyOutcome } from '../exchange/exchange.ts'
import type { IdempotencyStore } from '../exchange/idempotency-store.ts'
import { MeasuredStore } from '../stages/idempotency/measured-store.ts'
import { Policies } from '../stages/idempotency/policy.ts'
import { Idempotency } from '../stages/idempotency/stage.ts'
import { idempotencyMetrics } from '../telemetry/idempotency-metrics.ts'
import type { Metrics } from '../telemetry/metrics.ts'

/** A store that does not answer at the start is waited for so long; then requests find it down until it is there. */
const START_WAIT_MS = 150

/** The store of the settings, measured; undefined where none is set. Rejects only where its URL is none. */
export async function openIdempotency(
  { idempotency }: Config,
  metrics: Metrics,
  log: Logger,
): Promise<IdempotencyParts | undefined> {
  if (idempotency.store === undefined) return undefined
  const { openStore } = await import('../stores/open.ts')
  const { certificate, clientCertificate, clientKey } = idempotency
  const store = await openStore(idempotency.store, {
    log,
    breaker: { budgetMs: idempotency.storeBudgetMs },
    startWaitMs: START_WAIT_MS,
    tls: {
      ...(certificate !== undefined && { ca: readFileSync(certificate) }),
      ...(clientCertificate !== undefined && { cert: readFileSync(clientCertificate) }),
      ...(clientKey !== undefined && { key: readFileSync(clientKey) }),
    },
  })
  const { onOutcome, onOperation } = idempotencyMetrics(metrics)
  return { store: new MeasuredStore(store, onOperation), onOutcome }
}

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
