/** Prometheus on 8889: span metrics and service graph, and the aggregator's own figures by prom-client. */
import { createServer } from 'node:http'
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { listen } from '../../core/listen.ts'
import type { Intake } from '../intake/intake.ts'
import type { Names } from '../intake/names.ts'
import type { Receiver } from '../receive/receiver.ts'
import type { Bound } from '../receive/tls-options.ts'
import type { HubCounts } from '../recorder/hub.ts'
import type { StoreClient } from '../store/client.ts'

export interface MetricsServerOptions {
  readonly host: string
  readonly port: number
  readonly scrape: () => Promise<string>
}

export interface MetricsOptions {
  readonly intake: Intake
  readonly receiver: Receiver
  readonly store: StoreClient
  readonly names: Names
  /** What is passed on for flight recorders. */
  readonly recorders: () => HubCounts
  /** Other aggregators of the fleet, and whether they answer. */
  readonly replicas: () => readonly { readonly name: string; readonly up: boolean }[]
}

const OPEN_METRICS = 'application/openmetrics-text; version=1.0.0; charset=utf-8'

/** What a scrape answers with. */
export function scraper(options: MetricsOptions): () => Promise<string> {
  const registry = ownMetrics(options)
  // prom-client ends its text with the mark of the end, which must come once.
  return async () => `${await options.store.metrics()}${await registry.metrics()}`
}

export async function startMetricsServer({ host, port, scrape }: MetricsServerOptions): Promise<Bound> {
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5000 }, (req, res) => {
    if ((req.url ?? '').split('?')[0] !== '/metrics') {
      res.writeHead(404, { 'content-type': 'text/plain' }).end('metrics are at /metrics\n')
      return
    }
    scrape().then(
      (body) => res.writeHead(200, { 'content-type': OPEN_METRICS }).end(body),
      (error: Error) => res.writeHead(500, { 'content-type': 'text/plain' }).end(`${error.message}\n`),
    )
  })
  server.maxConnections = 64
  return {
    ...(await listen(server, host, port)),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function ownMetrics({
  intake,
  receiver,
  store,
  names,
  recorders,
  replicas,
}: MetricsOptions): Registry<typeof Registry.OPENMETRICS_CONTENT_TYPE> {
  const registry = new Registry<typeof Registry.OPENMETRICS_CONTENT_TYPE>()
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
  collectDefaultMetrics({ register: registry as unknown as Registry })
  const registers = [registry as unknown as Registry]
  const gauge = (name: string, help: string, value: () => number): void => {
    new Gauge({
      name: `hopscope_aggregator_${name}`,
      help,
      registers,
      collect() {
        this.set(value())
      },
    })
  }
  const spans = new Counter({
    name: 'hopscope_aggregator_spans',
    help: 'Spans by what became of them: accepted, duplicate, rejected (bad ids), recovered from the write-ahead log.',
    labelNames: ['outcome'],
    registers,
    collect() {
      this.reset()
      const { spans: accepted, duplicates, rejected, recovered } = intake.counters
      for (const [outcome, count] of Object.entries({ accepted, duplicate: duplicates, rejected, recovered })) {
        this.inc({ outcome }, count)
      }
    },
  })
  void spans
  new Counter({
    name: 'hopscope_aggregator_requests',
    help: 'Export requests by outcome: ok, partial, or the gRPC code of the refusal.',
    labelNames: ['outcome'],
    registers,
    collect() {
      this.reset()
      for (const [outcome, count] of receiver.outcomes) this.inc({ outcome }, count)
    },
  })
  gauge('in_flight_bytes', 'Bytes of requests that are on their way in.', () => receiver.inFlightBytes)
  gauge('waiting_segments', 'Segments that are not stored yet, the open one included.', () => intake.live.length)
  gauge('write_ahead_errors', 'Failed writes of the write-ahead log.', () => intake.counters.writeErrors)
  gauge('stored_spans', 'Spans in files.', () => store.counters.rows)
  gauge('stored_bytes', 'Bytes of span files.', () => store.counters.bytes)
  gauge('stored_files', 'Span files.', () => store.counters.files)
  gauge('expired_files', 'Span files removed for age or size.', () => store.counters.expiredFiles)
  gauge(
    'decided_early_segments',
    'Segments whose traces were sampled before their time, since memory was full.',
    () => store.counters.decidedEarly,
  )
  new Counter({
    name: 'hopscope_aggregator_sampled_out_spans',
    help: 'Spans of healthy traces that were not stored (aggregator.sampling).',
    registers,
    collect() {
      this.reset()
      this.inc(store.counters.sampledOut)
    },
  })
  new Counter({
    name: 'hopscope_aggregator_clickhouse_refused_spans',
    help: 'Spans that ClickHouse refused for good and that were left out there, by its exception.',
    labelNames: ['reason'],
    registers,
    collect() {
      this.reset()
      for (const [reason, count] of store.refused) this.inc({ reason }, count)
    },
  })
  new Gauge({
    name: 'hopscope_aggregator_replica_up',
    help: 'Whether another aggregator of the fleet answers.',
    labelNames: ['replica'],
    registers,
    collect() {
      this.reset()
      for (const { name, up } of replicas()) this.set({ replica: name }, up ? 1 : 0)
    },
  })
  gauge('recorder_watchers', 'Proxies that can be asked for traces.', () => recorders().watchers)
  gauge('recorder_wanted', 'Traces that proxies were asked for.', () => recorders().wanted)
  gauge('recorder_spared', 'Traces that proxies told of and that were too many.', () => recorders().spared)
  gauge('names', 'Names in the table.', () => names.size)
  gauge('names_refused', 'Names that found no room in the table.', () => names.refused)
  return registry
}
