/** Metrics of opaque connections: what they spoke, and how long the calls inside of them took. */
import { CounterFamily, HistogramCell, PHASE_BOUNDS, type Sample } from './metric-cells.ts'
import type { Metrics } from './metrics.ts'

/** Protocols times operations times outcomes are far fewer. */
const MAX_CELLS = 64
const DURATION = 'hopscope_opaque_call_duration_seconds'

export type CallOutcome = 'ok' | 'error' | 'no_reply'

export class OpaqueMetrics {
  /** Connections by what they were recognised as, `unknown` among it. */
  readonly connections = new CounterFamily('protocol')
  /** Connections whose calls were given up, by protocol. */
  readonly gaveUp = new CounterFamily('protocol')
  /** Requests and replies without their partner, by protocol. */
  readonly unpaired = new CounterFamily('protocol')
  /** Calls that were counted and timed, but came too fast for a span. */
  notRecorded = 0
  readonly #durations = new Map<string, HistogramCell>()

  constructor(metrics: Metrics) {
    const counter = (name: string, help: string, samples: () => readonly Sample[]): void =>
      metrics.add({ name, help, type: 'counter', samples })
    counter('hopscope_opaque_connections_total', 'Opaque connections by protocol.', () => this.connections.samples())
    counter('hopscope_opaque_gave_up_total', 'Connections whose calls were given up.', () => this.gaveUp.samples())
    counter('hopscope_opaque_unpaired_total', 'Requests and replies without a partner.', () => this.unpaired.samples())
    counter('hopscope_opaque_calls_not_recorded_total', 'Calls beyond opaque.callsPerSecond.', () => [
      { labels: {}, value: this.notRecorded },
    ])
    metrics.add({
      name: DURATION,
      help: 'Requests and replies inside of opaque connections.',
      type: 'histogram',
      samples: () => [...this.#durations.values()].flatMap((cell) => cell.samples(DURATION)),
    })
  }

  /** Count a call. All labels come from fixed sets. */
  call(protocol: string, operation: string, outcome: CallOutcome, durationUs: number): void {
    const key = `${protocol} ${operation} ${outcome}`
    let cell = this.#durations.get(key)
    if (cell === undefined) {
      if (this.#durations.size >= MAX_CELLS) return
      cell = new HistogramCell(PHASE_BOUNDS, { protocol, operation, outcome })
      this.#durations.set(key, cell)
    }
    cell.record(durationUs)
  }
}
