/** Metrics of requests with an Idempotency-Key. */
import type { IdempotencyOutcome } from '../exchange/exchange.ts'
import { HistogramCell, type Sample } from './metric-cells.ts'
import type { Metrics } from './metrics.ts'

/** Upper bounds in seconds: from a store in memory to one that is about to be given up. */
const STORE_BOUNDS = [0.00001, 0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 1] as const
const STORE_SECONDS = 'hopscope_idempotency_store_duration_seconds'

export interface IdempotencyMetrics {
  readonly onOutcome: (outcome: IdempotencyOutcome) => void
  readonly onOperation: (operation: string, us: number, ok: boolean) => void
}

export function idempotencyMetrics(metrics: Metrics): IdempotencyMetrics {
  const requests = metrics.counter(
    'hopscope_idempotency_requests_total',
    'Requests with an Idempotency-Key, by what became of them.',
    'outcome',
  )
  const cells = new Map<string, HistogramCell>()
  const samples = (): Sample[] => [...cells.values()].flatMap((cell) => cell.samples(STORE_SECONDS))
  metrics.add({
    name: STORE_SECONDS,
    help: 'Operations of the idempotency store.',
    type: 'histogram',
    samples,
  })
  return {
    onOutcome: (outcome) => requests.inc(outcome),
    onOperation(operation, us, ok) {
      const key = ok ? operation : `${operation} failed`
      let cell = cells.get(key)
      if (cell === undefined) {
        cell = new HistogramCell(STORE_BOUNDS, { operation, outcome: ok ? 'ok' : 'error' })
        cells.set(key, cell)
      }
      cell.record(us)
    },
  }
}
