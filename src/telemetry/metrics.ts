/**
 * Metrics of the proxy. The data thread counts into cells of its own; prom-client shapes them, and the runtime's
 * figures, when Prometheus asks. Names are those of OpenTelemetry's conventions in Prometheus spelling.
 */
import type { Registry } from 'prom-client'
import { ERROR_CODES, type ProxyError } from '../core/errors.ts'
import { RPC_NONE } from '../core/grpc.ts'
import { type Exchange, PHASES } from '../exchange/exchange.ts'
import type { ExporterCounts } from './counters.ts'
import { exporterMetrics } from './exporter-metrics.ts'
import {
  CounterFamily,
  DURATION_BOUNDS,
  HistogramCell,
  type Labels,
  PHASE_BOUNDS,
  type Sample,
} from './metric-cells.ts'
import { ERROR_NAMES, ERROR_PHASES, errorIndex, METHODS } from './record-layout.ts'
import { RpcMetrics } from './rpc-metrics.ts'
import { isSpanError } from './span-error.ts'

/** Combinations of labels that request durations are kept for; more are counted under `_OTHER`. */
const MAX_DURATION_CELLS = 512
const VERSIONS: Readonly<Record<number, string>> = { 10: '1.0', 11: '1.1', 20: '2' }

export type MetricType = 'counter' | 'gauge' | 'histogram'

/** A metric whose samples are made at a scrape. */
export interface ScrapedMetric {
  readonly name: string
  readonly help: string
  readonly type: MetricType
  readonly samples: () => readonly Sample[]
  /** How samples of several processes become one; default: added up. */
  readonly aggregator?: 'sum' | 'min' | 'max'
}

/** All metrics of a process as plain data. */
export type Snapshot = readonly { readonly name: string; readonly type: string }[]

export interface ScrapeResult {
  readonly contentType: string
  readonly text: string
}

export class Metrics {
  readonly #durations = new Map<number, HistogramCell>()
  readonly #overflow: HistogramCell[] = []
  readonly #phases: HistogramCell[]
  readonly #errors = new Float64Array(256 * ERROR_PHASES.length)
  readonly #metrics: ScrapedMetric[] = []
  readonly #seen = new Set<string>()
  #retries = 0
  readonly #rpc = new RpcMetrics()
  /** Opaque tunnels by reason, and how the first bytes of connections were judged. */
  readonly tunnels = new CounterFamily('reason')
  readonly sniffed = new CounterFamily('outcome')
  #registry: Promise<Registry> | undefined = undefined

  constructor(exporter: () => ExporterCounts) {
    this.#phases = PHASES.map((phase) => new HistogramCell(PHASE_BOUNDS, { phase }))
    this.#register()
    for (const metric of exporterMetrics(exporter)) this.add(metric)
  }

  /** Count a finished exchange. `phases` in microseconds, -1 where there was none. */
  record(x: Exchange, method: number, phases: Float64Array): void {
    const outbound = x.connection.direction === 'outbound' ? 1 : 0
    const { status, error } = x
    const { version } = x.request
    const versionBits = version === 11 ? 1 : version === 20 ? 2 : 0
    const https = x.connection.scheme === 'https' ? 1 : 0
    // Only where it becomes a label: two cells must not have the same ones.
    const errorType =
      error !== undefined && isSpanError(error.code, outbound === 1, status) ? errorIndex(error.code) : 0
    const key =
      (status & 1023) | (method << 10) | (errorType << 14) | (outbound << 21) | (versionBits << 22) | (https << 24)
    const cell = this.#durations.get(key) ?? this.#newCell(key, x, method)
    cell.record(x.durationUs)
    if (x.rpc !== RPC_NONE) this.#rpc.record(x)
    for (let i = 0; i < 7; i++) {
      const us = phases[i]!
      if (us >= 0) this.#phases[i]!.record(us)
    }
    if (error !== undefined) this.#countError(error)
    if (x.attempts > 1) this.#retries += x.attempts - 1
  }

  /** Count an opaque tunnel that ended. */
  recordTunnel(reason: string, error: ProxyError | undefined): void {
    this.tunnels.inc(reason)
    if (error !== undefined) this.#countError(error)
  }

  #countError({ code, phase }: ProxyError): void {
    this.#errors[errorIndex(code) * ERROR_PHASES.length + ERROR_PHASES.indexOf(phase)]!++
  }

  #newCell(key: number, x: Exchange, method: number): HistogramCell {
    const outbound = x.connection.direction === 'outbound'
    if (this.#durations.size >= MAX_DURATION_CELLS) {
      this.#overflow[outbound ? 1 : 0] ??= new HistogramCell(DURATION_BOUNDS, { http_request_method: '_OTHER' })
      return this.#overflow[outbound ? 1 : 0]!
    }
    const labels: Record<string, string | number> = {
      http_request_method: METHODS[method] ?? '_OTHER',
      url_scheme: x.connection.scheme,
      network_protocol_version: VERSIONS[x.request.version] ?? '',
      http_response_status_code: x.status,
    }
    // As on the span: what breaks off behind a good head has failed too, and a client that leaves was not failed.
    if (x.error !== undefined && isSpanError(x.error.code, outbound, x.status)) labels.error_type = x.error.code
    else if (x.status >= (outbound ? 400 : 500)) labels.error_type = String(x.status)
    const cell = new HistogramCell(DURATION_BOUNDS, labels)
    this.#durations.set(key, cell)
    return cell
  }

  /** Add a metric; a name may be added once. */
  add(metric: ScrapedMetric): void {
    if (this.#seen.has(metric.name)) throw new Error(`metric ${metric.name} is there already`)
    this.#seen.add(metric.name)
    this.#metrics.push(metric)
  }

  /** A gauge read at each scrape: one number, or one per set of labels. */
  gauge(
    name: string,
    help: string,
    read: () => number | readonly { labels: Labels; value: number }[],
    aggregator: 'sum' | 'max' = 'sum',
  ): void {
    const samples = (): readonly Sample[] => {
      const value = read()
      return typeof value === 'number' ? [{ labels: {}, value }] : value
    }
    this.add({ name, help, type: 'gauge', samples, aggregator })
  }

  /** A counter by one label. */
  counter(name: string, help: string, label: string): CounterFamily {
    const family = new CounterFamily(label)
    this.add({ name, help, type: 'counter', samples: () => family.samples() })
    return family
  }

  /** Start watching the runtime (event loop, garbage collection) ahead of the first scrape. */
  async start(): Promise<void> {
    await this.#load()
  }

  /** The text that Prometheus reads. */
  async scrape(): Promise<ScrapeResult> {
    const registry = await this.#load()
    return { contentType: registry.contentType, text: await registry.metrics() }
  }

  /** All metrics as plain data, to be added up with those of other processes by {@link mergeScrapes}. */
  async snapshot(): Promise<Snapshot> {
    return plain(await this.#load())
  }

  /** prom-client is loaded late: a proxy whose metrics nobody reads starts faster without it. */
  #load(): Promise<Registry> {
    this.#registry ??= import('./metrics-registry.ts').then(({ createRegistry }) => createRegistry(this.#metrics))
    return this.#registry
  }

  #register(): void {
    const durations = (outbound: number, name: string) => (): readonly Sample[] => {
      const samples: Sample[] = []
      for (const [key, cell] of this.#durations) {
        if (((key >> 21) & 1) === outbound) samples.push(...cell.samples(name))
      }
      return samples.concat(this.#overflow[outbound]?.samples(name) ?? [])
    }
    const histogram = (name: string, help: string, samples: () => readonly Sample[]): void =>
      this.add({ name, help, type: 'histogram', samples })
    const server = 'http_server_request_duration_seconds'
    const client = 'http_client_request_duration_seconds'
    const phase = 'hopscope_phase_duration_seconds'
    histogram(server, 'Duration of inbound HTTP requests.', durations(0, server))
    histogram(client, 'Duration of outbound HTTP requests.', durations(1, client))
    const rpcServer = 'rpc_server_call_duration_seconds'
    const rpcClient = 'rpc_client_call_duration_seconds'
    histogram(rpcServer, 'Duration of inbound gRPC calls.', () => this.#rpc.samples(rpcServer, false))
    histogram(rpcClient, 'Duration of outbound gRPC calls.', () => this.#rpc.samples(rpcClient, true))
    histogram(phase, 'Time that exchanges spent in a phase.', () => this.#phases.flatMap((cell) => cell.samples(phase)))
    const counter = (name: string, help: string, samples: () => readonly Sample[]): void =>
      this.add({ name, help, type: 'counter', samples })
    counter('hopscope_errors_total', 'Failed exchanges and tunnels by error code.', () => this.#errorSamples())
    counter('hopscope_retries_total', 'Attempts beyond the first.', () => [{ labels: {}, value: this.#retries }])
    counter('hopscope_tunnels_total', 'Opaque tunnels that ended.', () => this.tunnels.samples())
    counter('hopscope_sniff_total', 'How first bytes of connections were judged.', () => this.sniffed.samples())
  }

  #errorSamples(): Sample[] {
    const samples: Sample[] = []
    ERROR_NAMES.forEach((code, index) => {
      ERROR_PHASES.forEach((phase, p) => {
        const value = this.#errors[(index + 1) * ERROR_PHASES.length + p]!
        if (value > 0) samples.push({ labels: { code, phase, source: ERROR_CODES[code].source }, value })
      })
    })
    return samples
  }
}

/** Snapshots of several processes as one scrape: counters and histograms are added up. */
export async function mergeScrapes(snapshots: readonly Snapshot[]): Promise<ScrapeResult> {
  const merged = await aggregate(snapshots)
  return { contentType: merged.contentType, text: await merged.metrics() }
}

/** The same as a snapshot, to be added up with others later. */
export async function mergeSnapshots(snapshots: readonly Snapshot[]): Promise<Snapshot> {
  return plain(await aggregate(snapshots))
}

async function aggregate(snapshots: readonly Snapshot[]): Promise<Registry> {
  const { AggregatorRegistry } = await import('prom-client')
  return AggregatorRegistry.aggregate([...snapshots] as object[][])
}

/** prom-client declares the types of metrics as numbers; they are words. */
const plain = async (registry: Registry): Promise<Snapshot> =>
  (await registry.getMetricsAsJSON()) as unknown as Snapshot
