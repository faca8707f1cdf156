/** Metrics of the data path that no exchange carries: connections, refusals, stage faults. */
import type { CounterFamily } from '../telemetry/metric-cells.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { DataPlane } from './data-plane.ts'

export class DataPathCounters {
  readonly #metrics: Metrics
  readonly #refused: CounterFamily
  readonly #stageFaults: CounterFamily

  constructor(metrics: Metrics) {
    this.#metrics = metrics
    this.#refused = metrics.counter('hopscope_connections_refused_total', 'Connections refused, by reason.', 'reason')
    this.#stageFaults = metrics.counter('hopscope_stage_faults_total', 'Hooks of stages that threw.', 'stage')
  }

  refusedConnection(reason: string): void {
    this.#refused.inc(reason)
  }

  stageFault(stage: string): void {
    this.#stageFaults.inc(stage)
  }

  /** Read gauges off a running data plane at each scrape. */
  watch(plane: DataPlane): void {
    this.#metrics.gauge('hopscope_exchanges_active', 'Exchanges begun and not finished.', () => plane.active)
    this.#metrics.gauge('hopscope_connections', 'Open connections.', () => [
      { labels: { side: 'downstream' }, value: plane.connections },
      { labels: { side: 'upstream' }, value: plane.upstream.connections },
    ])
  }
}
