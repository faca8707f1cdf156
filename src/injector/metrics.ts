/** Metrics of the injector, for Prometheus. Labels have few values: results and reasons, never namespaces. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Outcome } from './review.ts'

export interface Scrape {
  readonly contentType: string
  readonly text: string
}

export class InjectorMetrics {
  readonly #registry = new Registry()
  readonly #reviews = new Counter({
    name: 'hopscope_injector_reviews_total',
    help: 'Pods reviewed, by what became of them and, where they got no sidecar, why.',
    labelNames: ['result', 'reason'],
    registers: [this.#registry],
  })
  readonly #duration = new Histogram({
    name: 'hopscope_injector_review_duration_seconds',
    help: 'From the last byte of a review to its answer.',
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5],
    registers: [this.#registry],
  })
  readonly #refused = new Counter({
    name: 'hopscope_injector_refused_total',
    help: 'Requests that were no review, by HTTP status.',
    labelNames: ['status'],
    registers: [this.#registry],
  })
  readonly #certificates = new Counter({
    name: 'hopscope_injector_certificate_loads_total',
    help: 'Loads of the certificate, by result.',
    labelNames: ['result'],
    registers: [this.#registry],
  })
  readonly #expiry = new Gauge({
    name: 'hopscope_injector_certificate_expiry_timestamp_seconds',
    help: 'When the certificate in use ends.',
    registers: [this.#registry],
  })
  readonly #events = new Counter({
    name: 'hopscope_injector_events_total',
    help: 'Events about pods that got no sidecar: written, failed, or left out because of their number.',
    labelNames: ['result'],
    registers: [this.#registry],
  })
  readonly #native = new Gauge({
    name: 'hopscope_injector_native_sidecars',
    help: '1 where sidecars are injected as native sidecars.',
    registers: [this.#registry],
  })

  reviewed({ result, reason }: Outcome, seconds: number): void {
    this.#reviews.inc({ result, reason })
    this.#duration.observe(seconds)
  }

  refused(status: number): void {
    this.#refused.inc({ status })
  }

  certificate(result: 'loaded' | 'failed', expirySeconds?: number): void {
    this.#certificates.inc({ result })
    if (expirySeconds !== undefined) this.#expiry.set(expirySeconds)
  }

  event(result: 'written' | 'failed' | 'left_out'): void {
    this.#events.inc({ result })
  }

  native(on: boolean): void {
    this.#native.set(Number(on))
  }

  async scrape(): Promise<Scrape> {
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() }
  }
}
