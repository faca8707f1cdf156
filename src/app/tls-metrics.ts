/** Handshakes on both sides, reloads, and the dates of certificates, for Prometheus. */
import type { CounterFamily, Sample } from '../telemetry/metric-cells.ts'
import { HistogramCell, PHASE_BOUNDS } from '../telemetry/metric-cells.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { DatedCertificate } from './tls-runtime.ts'

const DURATION = 'hopscope_tls_handshake_duration_seconds'
/** Certificates beyond are left out: a folder may hold thousands. */
const MAX_CERTIFICATES = 1000

export class TlsMetrics {
  readonly #metrics: Metrics
  readonly #downstream: CounterFamily
  readonly #upstream: CounterFamily
  readonly #reloads: CounterFamily
  /** Made with the first handshake of their kind, so that a proxy without TLS shows none. */
  readonly #cells = new Map<string, HistogramCell>()

  constructor(metrics: Metrics) {
    this.#metrics = metrics
    this.#downstream = metrics.counter(
      'hopscope_tls_handshakes_total',
      'TLS handshakes with clients: full, resumed, or the error code of those that failed.',
      'outcome',
    )
    this.#upstream = metrics.counter(
      'hopscope_upstream_tls_handshakes_total',
      'TLS handshakes with upstreams: full, resumed, or the error code of those that failed.',
      'outcome',
    )
    this.#reloads = metrics.counter(
      'hopscope_tls_reloads_total',
      'Times that changed certificate files were read: ok or failed.',
      'outcome',
    )
    const all = (): Sample[] => [...this.#cells.values()].flatMap((cell) => cell.samples(DURATION))
    const help = 'Time that successful TLS handshakes took.'
    metrics.add({
      name: DURATION,
      help,
      type: 'histogram',
      samples: all,
    })
  }

  downstream(outcome: string, tookUs: number): void {
    this.#downstream.inc(outcome)
    this.#record('downstream', outcome, tookUs)
  }

  upstream(outcome: string, tookUs: number): void {
    this.#upstream.inc(outcome)
    this.#record('upstream', outcome, tookUs)
  }

  #record(side: string, kind: string, tookUs: number): void {
    if (kind !== 'full' && kind !== 'resumed') return
    const key = `${side} ${kind}`
    let cell = this.#cells.get(key)
    if (cell === undefined) {
      cell = new HistogramCell(PHASE_BOUNDS, { side, kind })
      this.#cells.set(key, cell)
    }
    cell.record(tookUs)
  }

  reload(outcome: 'ok' | 'failed'): void {
    this.#reloads.inc(outcome)
  }

  /** Read the dates of certificates at each scrape. */
  watch(certificates: () => readonly DatedCertificate[]): void {
    const samples = (): Sample[] =>
      certificates()
        .slice(0, MAX_CERTIFICATES)
        .map(({ name, notAfterMs }) => ({ labels: { certificate: name }, value: notAfterMs / 1000 }))
    const help = 'When certificates expire, seconds since the epoch.'
    // Processes of one proxy hold the same files: they are not to be added up.
    const name = 'hopscope_tls_certificate_expiry_timestamp_seconds'
    this.#metrics.add({ name, help, type: 'gauge', samples, aggregator: 'min' })
  }
}
