/** The aggregator: receivers, intake, store, query API and metrics, put together. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../core/log.ts'
import { type AlertOptions, startAlerts } from './diagnosis/alerts.ts'
import type { Incident } from './diagnosis/incidents.ts'
import { lockFolder } from './folder-lock.ts'
import { Intake } from './intake/intake.ts'
import { Names } from './intake/names.ts'
import type { WalSync } from './intake/wal.ts'
import { scraper, startMetricsServer } from './metrics/metrics-server.ts'
import { startRemoteWrite } from './metrics/remote-write.ts'
import { startQueryServer } from './query/http-server.ts'
import { LiveTail } from './query/live-tail.ts'
import { startGrpcServer } from './receive/grpc-server.ts'
import { startHttpServer } from './receive/http-server.ts'
import { Receiver } from './receive/receiver.ts'
import type { Bound, ListenerTls } from './receive/tls-options.ts'
import { RecorderHub } from './recorder/hub.ts'
import type { ReplicaSecurity } from './replicas/client.ts'
import { FleetSide, type ReplicasOptions } from './replicas/fleet-side.ts'
import { segmentsHeld } from './sampling/held-segments.ts'
import type { TailSamplingOptions } from './sampling/tail-sampler.ts'
import { StoreClient } from './store/client.ts'
import { folderId } from './store/folder-id.ts'
import type { ApiResponse, IncidentChange, LiveTrace } from './store/protocol.ts'
import { servePage } from './ui/page.ts'

export interface Address {
  readonly host: string
  /** 0 for any free port. */
  readonly port: number
}

export interface AggregatorOptions {
  readonly otlpGrpc: Address | 'off'
  readonly otlpHttp: Address | 'off'
  readonly ui: Address
  readonly metrics: Address | 'off'
  readonly dataDir: string
  readonly clickhouse?: { readonly url: string; readonly username: string; readonly password: string } | undefined
  readonly walSync: WalSync
  readonly sealMs: number
  readonly segments: number
  readonly inFlightBytes: number
  readonly databaseBytes: number
  readonly retentionMs: number
  readonly retentionBytes: number
  readonly bearerToken?: string | undefined
  readonly tls?: ListenerTls | undefined
  readonly maxConnectionAgeMs: number
  /** Which traces are stored; undefined: all. */
  readonly sampling?: TailSamplingOptions | undefined
  /** Other aggregators of the same fleet. */
  readonly replicas?: ReplicasOptions | undefined
  /** Where the metrics are pushed to as well, by Prometheus remote write. */
  readonly remoteWrite?: { readonly url: string; readonly everyMs: number } | undefined
  readonly log: Logger
  /** Something ended that cannot be done without. */
  readonly onFatal: (error: Error) => void
  /** Traces that went quiet. */
  readonly onTraces?: (traces: readonly LiveTrace[]) => void
  /** Length of an epoch in which diagnosis learns what is usual, milliseconds; 15 s by default. */
  readonly epochMs?: number
  /** Where incidents are told of. */
  readonly alerts?: Omit<AlertOptions, 'log'>
  /** An incident was opened, has another first cause, or is over. */
  readonly onIncident?: (incident: Incident, change: IncidentChange) => void
  /** Each ExportTraceServiceRequest that was taken, in parts that are not to be kept. */
  readonly onTaken?: (parts: readonly Uint8Array[]) => void
}

export interface Aggregator {
  /** Where it listens, by name: `otlpGrpc`, `otlpHttp`, `ui`, `metrics`. */
  readonly addresses: Readonly<Record<string, Bound>>
  /** Ask the query API without a socket; `url` is path and query. */
  query(url: string): Promise<ApiResponse>
  /** Stop taking, store what was taken, close. */
  close(): Promise<void>
}

const CLOSE_MS = 10_000

/** Rejects where the data folder is in use or an address cannot be had; nothing is left running then. */
export async function startAggregator(options: AggregatorOptions): Promise<Aggregator> {
  mkdirSync(options.dataDir, { recursive: true, mode: 0o700 })
  const unlock = lockFolder(options.dataDir)
  const begun: Begun = { bound: [], store: undefined }
  try {
    return await start(options, begun, unlock)
  } catch (error) {
    for (const one of begun.bound) await one.close()
    // What was recovered is still in the write-ahead log.
    await begun.store?.terminate()
    unlock()
    throw error
  }
}

/** What was started so far, for a start that fails half way. */
interface Begun {
  readonly bound: Bound[]
  store: StoreClient | undefined
}

async function start(options: AggregatorOptions, begun: Begun, unlock: () => void): Promise<Aggregator> {
  const { log, sampling } = options
  const heldSegments = sampling === undefined ? 0 : segmentsHeld(sampling.waitMs, options.sealMs)
  const tail = new LiveTail()
  const alerts = startAlerts({ ...options.alerts, log })
  let fleet: FleetSide | undefined
  const store = await StoreClient.start({
    settings: {
      folder: options.dataDir,
      maxAgeMs: options.retentionMs,
      maxBytes: options.retentionBytes,
      memoryBytes: options.databaseBytes,
      sync: options.walSync,
      clickhouse: options.clickhouse,
      epochMs: options.epochMs ?? 15_000,
      sampling: sampling && { ...sampling, heldSegments },
      replicas: options.replicas === undefined ? undefined : securityOf(options),
    },
    onStored: (sequence) => {
      const segment = intake.live.find((one) => one.sequence === sequence)
      if (segment !== undefined) intake.stored(segment)
    },
    onTraces: (traces) => {
      tail.send(traces)
      fleet?.tail.send(traces)
      options.onTraces?.(traces)
    },
    onIncident: (incident, change) => {
      if (fleet === undefined) alerts.tell(incident, change)
      else fleet.alert(incident, change)
      options.onIncident?.(incident, change)
    },
    onFault: (message) => log.error({ message }, 'a segment is not stored yet'),
    onDamaged: (path, message) =>
      log.error({ path, message }, 'spans cannot be read any more: the file is damaged, the others are served'),
    onRefused: ({ reason, traceId, spanId }) =>
      log.warn(
        { reason, traceId, spanId },
        'ClickHouse refuses a span for good: it is only in our own files, as are more that are refused so',
      ),
    onEnd: options.onFatal,
  })
  begun.store = store
  const names = new Names()
  names.restore(store.texts)
  store.useNames(names)
  const intake = new Intake({
    walFolder: join(options.dataDir, 'wal'),
    sync: options.walSync,
    names,
    log,
    segments: options.segments + heldSegments,
    sealMs: options.sealMs,
    storedBelow: store.storedBelow,
    onSealed: (segment) => store.store(segment),
  })
  intake.recover()
  if (intake.counters.recovered > 0)
    log.info({ spans: intake.counters.recovered }, 'recovered from the write-ahead log')
  const receiver = new Receiver({
    intake,
    maxInFlightBytes: options.inFlightBytes,
    bearerToken: options.bearerToken,
    onTaken: options.onTaken,
  })
  const hub = new RecorderHub({ onWanted: (traceIds) => fleet?.tellWanted(traceIds) })
  const query = (url: string): Promise<ApiResponse> =>
    store.api({ method: 'GET', url }, intake.live, fleet?.roster?.fleet)
  const addresses: Record<string, Bound> = {}
  const listen = async (name: string, bound: Promise<Bound>): Promise<void> => {
    const one = await bound
    addresses[name] = one
    begun.bound.push(one)
  }
  const { otlpGrpc, otlpHttp, ui, metrics, tls, maxConnectionAgeMs } = options
  const scrape = scraper({
    recorders: () => hub.counts,
    intake,
    receiver,
    store,
    names,
    replicas: () => fleet?.roster?.states ?? [],
  })
  if (metrics !== 'off') await listen('metrics', startMetricsServer({ ...metrics, scrape }))
  if (otlpGrpc !== 'off')
    await listen(
      'otlpGrpc',
      startGrpcServer({ ...otlpGrpc, receiver, tls, maxConnectionAgeMs, watch: (stream) => hub.open(stream) }),
    )
  if (otlpHttp !== 'off') await listen('otlpHttp', startHttpServer({ ...otlpHttp, receiver, tls }))
  if (options.replicas !== undefined) {
    fleet = new FleetSide({
      ...{ replicas: options.replicas, security: securityOf(options), tls, log, tail, query },
      hello: { id: folderId(options.dataDir), otlpPort: addresses.otlpGrpc?.port ?? 0 },
      ask: (question) => store.replica(question, intake.live),
      wanted: (traceIds) => hub.relay(traceIds),
      tell: (incident, change) => alerts.tell(incident, change),
    })
    await listen('replicas', fleet.listen())
    await fleet.join()
  }
  // The last: a query must know the others.
  await listen(
    'ui',
    startQueryServer({ ...ui, api: ({ url }) => query(url), tail, page: servePage, forward: fleet?.forward }),
  )
  const pushing =
    options.remoteWrite === undefined ? undefined : startRemoteWrite({ ...options.remoteWrite, scrape, log })
  return {
    addresses,
    query,
    close: async () => {
      tail.close()
      hub.close()
      fleet?.close()
      await Promise.all(begun.bound.map((one) => one.close()))
      await intake.close()
      await pushing?.close()
      await alerts.close()
      // A store that fails now would fail for ever; the write-ahead log has what it did not take.
      await Promise.race([store.close(), sleep(CLOSE_MS, undefined, { ref: false })])
      unlock()
    },
  }
}

function securityOf({ replicas, tls }: AggregatorOptions): ReplicaSecurity {
  const token = replicas?.token
  if (tls === undefined) return { token }
  return { token, tls: { cert: tls.cert, key: tls.key, ca: replicas?.authorities } }
}
