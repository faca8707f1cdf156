/** The composition root of `proxy`, `sidecar` and `dev`: data path, telemetry, admin, and their life together. */
import type { CertificateFiles } from '../config/certificate-files.ts'
import type { Config } from '../config/schema.ts'
import { nowUs } from '../core/clock.ts'
import type { Logger, LogLevel } from '../core/log.ts'
import type { Stage } from '../exchange/stage.ts'
import { loadMqtt } from '../net/protocols/mqtt-packets.ts'
import { onHandlerFault } from '../net/wire.ts'
import type { RecorderQuery } from '../telemetry/flight-recorder.ts'
import { createLog, type OperationalLog } from '../telemetry/log.ts'
import type { ScrapeResult } from '../telemetry/metrics.ts'
import { OpaqueMetrics } from '../telemetry/opaque-metrics.ts'
import { bodyKeeper } from '../telemetry/recorder/bodies.ts'
import type { HeadSampler } from '../telemetry/sampler.ts'
import { createTelemetry, type Telemetry } from '../telemetry/telemetry.ts'
import { enableFips } from '../tls/fips.ts'
import type { DispatcherLike } from '../upstream/dispatch-route.ts'
import { DataPathCounters } from './data-path-counters.ts'
import { DataPlane, type Placement } from './data-plane.ts'
import { routeOf } from './egress.ts'
import { type IdempotencyParts, openIdempotency } from './idempotency.ts'
import { newOrigin, OpaqueTelemetry } from './opaque-telemetry.ts'
import { edgePlacement, sidecarPlacement } from './placements.ts'
import { Rate } from './rate.ts'
import { Sampling, type SamplingState } from './sampling.ts'
import type { Served } from './servers.ts'
import { telemetryOptions } from './telemetry-options.ts'
import { openTls, type ProxyTls } from './tls.ts'
import { transparentSocket } from './transparent.ts'

export interface ProxyOptions {
  readonly command: 'proxy' | 'sidecar' | 'dev'
  readonly config: Config
  readonly userStages?: readonly Stage[]
  /** Takes the exchanges to the upstream in place of our own codecs; its owner closes it. */
  readonly dispatcher?: DispatcherLike | undefined
  /** TLS is terminated with these, whatever the settings say, and clear text is served too (`dev --https`). */
  readonly certificates?: () => readonly CertificateFiles[]
}

/** Time for spans to reach the collector at the end, milliseconds. */
const FLUSH_MS = 2000
/** Lines in the log. */
const REFUSALS_TOLD_PER_SECOND = 10

/** A proxy that takes traffic. */
export class RunningProxy implements Served {
  readonly plane: DataPlane
  readonly telemetry: Telemetry
  readonly log: OperationalLog
  readonly #tls: ProxyTls
  readonly #sampling: Sampling
  #drainMs: number
  #closing: Promise<void> | undefined

  constructor(
    plane: DataPlane,
    telemetry: Telemetry,
    log: OperationalLog,
    tls: ProxyTls,
    config: Config,
    sampling: Sampling,
  ) {
    this.plane = plane
    this.telemetry = telemetry
    this.log = log
    this.#tls = tls
    this.#drainMs = config.timeouts.drainMs
    this.#sampling = sampling
  }

  /** Where it listens. */
  get address(): { host: string; port: number } {
    return this.plane.address
  }

  /** Clients reach it by https. */
  get secure(): boolean {
    return this.#tls.termination !== undefined
  }

  /** Seal TLS sessions with these keys from now on, as the other processes of the listener do. */
  setTicketKeys(keys: Buffer): void {
    this.#tls.runtime.setTicketKeys(keys)
  }

  get draining(): boolean {
    return this.plane.draining
  }

  get logLevel(): LogLevel {
    return this.log.level
  }

  set logLevel(level: LogLevel) {
    this.log.level = level
  }

  scrape(): Promise<ScrapeResult> {
    return this.telemetry.metrics.scrape()
  }

  exchanges(query: RecorderQuery): unknown {
    return this.telemetry.recorder.read(query)
  }

  /** Which new traces are kept now. */
  sampling(): SamplingState {
    return this.#sampling.state
  }

  /** Counts of requests with an Idempotency-Key. */
  idempotency(): unknown {
    return this.plane.idempotency?.describe() ?? { store: 'off' }
  }

  /** Take over settings that may change while running. `changed`: paths of those that have. */
  reconfigure(config: Config, changed: readonly string[]): void {
    this.plane.setTimeouts(config.timeouts)
    this.#drainMs = config.timeouts.drainMs
    this.#sampling.reconfigure(config)
    this.telemetry.setAccessLog(config.accessLog)
    // Else it stays as the admin server set it.
    if (changed.includes('log.level')) this.log.level = config.log.level
  }

  /**
   * Drain and stop: no new connections, exchanges in flight finish within `deadlineMs` (default: the setting), spans
   * are delivered. Safe to call more than once.
   */
  close(deadlineMs = this.#drainMs): Promise<void> {
    this.#closing ??= this.#close(deadlineMs)
    return this.#closing
  }

  async #close(deadlineMs: number): Promise<void> {
    await this.plane.drain(deadlineMs)
    await this.plane.idempotency?.close()
    this.#tls.runtime.close()
    this.#sampling.close()
    await this.telemetry.close(FLUSH_MS)
    this.#tellOfLoss()
    await this.log.flush()
  }

  /** Nobody can read the metrics any more. */
  #tellOfLoss(): void {
    const { exported, dropped } = this.telemetry.counters()
    const reasons = Object.fromEntries(Object.entries(dropped).filter(([, spans]) => spans > 0))
    if (Object.keys(reasons).length > 0) this.log.warn({ exported, dropped: reasons }, 'spans were lost')
  }
}

/** Start a proxy; resolves when it listens. Rejects with the bind error or an unreadable file. */
export async function startProxy(options: ProxyOptions): Promise<RunningProxy> {
  const { config } = options
  if (config.tls.fips) enableFips()
  const log = createLog({ level: config.log.level })
  // A fault of ours ends the connection that met it, not the program that the proxy is part of.
  onHandlerFault((error) => log.error({ err: error }, 'a connection ended by a fault of ours'))
  const telemetry = createTelemetry(telemetryOptions(config, log))
  const counters = new DataPathCounters(telemetry.metrics)
  const sampling = new Sampling(config, telemetry, log)
  const { sample, stateOf } = sampling.head
  const parts: Parts = { telemetry, counters, log, head: sampling.head }
  let tls: ProxyTls | undefined
  let idempotency: IdempotencyParts | undefined
  try {
    tls = tlsOf(options, parts)
    idempotency = await openIdempotency(config, telemetry.metrics, log)
    const plane = await DataPlane.start({
      config,
      placement: placement(options, parts, tls),
      sample,
      stateOf,
      observers: [
        ...(config.recorder.bodyBytes === 0 ? [] : [bodyKeeper(config.recorder.bodyBytes)]),
        { name: 'telemetry', role: 'observe', onFinish: (x) => telemetry.onFinish(x) },
      ],
      userStages: options.userStages ?? [],
      idempotency,
      dial: tls.dial,
      route: await routeOf(options.command, config, options.dispatcher, log),
      log,
      onStageFault: (stage) => counters.stageFault(stage),
      onRefusedConnection: () => counters.refusedConnection('limit'),
    })
    counters.watch(plane)
    return new RunningProxy(plane, telemetry, log, tls, config, sampling)
  } catch (error) {
    sampling.close()
    tls?.runtime.close()
    await idempotency?.store.close()
    await telemetry.close(0)
    throw error
  }
}

/** What the parts of a proxy are put together from. */
interface Parts {
  readonly telemetry: Telemetry
  readonly counters: DataPathCounters
  readonly log: Logger
  readonly head: HeadSampler
}

function tlsOf({ command, config, certificates }: ProxyOptions, { telemetry, log, head }: Parts): ProxyTls {
  return openTls({
    command,
    config,
    log,
    metrics: telemetry.metrics,
    certificates,
    onFailed: (facts) => telemetry.recordFailedHandshake({ ...facts, ...newOrigin(head.sample, head.stateOf) }),
  })
}

function placement({ command, config, certificates }: ProxyOptions, parts: Parts, tls: ProxyTls): Placement {
  const { telemetry, counters, log, head } = parts
  const opaque = (): OpaqueTelemetry =>
    new OpaqueTelemetry({
      telemetry,
      metrics: new OpaqueMetrics(telemetry.metrics),
      sample: head.sample,
      stateOf: head.stateOf,
      log,
      ...config.opaque,
    })
  const { termination } = tls
  if (command !== 'sidecar') {
    const required =
      certificates === undefined && tls.runtime.handshakes !== undefined && config.tls.clearText === 'refuse'
    return edgePlacement(command, config, termination && { termination, required, opaque: opaque() })
  }
  if (config.opaque.calls) loadMqtt()
  const fd = config.intercept.mode === 'tproxy' ? transparentSocket(config) : undefined
  const told = new Rate(REFUSALS_TOLD_PER_SECOND)
  return sidecarPlacement(
    config,
    {
      onRefused: (error) => {
        counters.refusedConnection(error.code)
        // Peers can cause them at will; the counter has them all.
        if (told.take(nowUs())) log.warn({ error }, 'an intercepted connection was refused')
      },
      onSniffed: (outcome) => telemetry.metrics.sniffed.inc(outcome),
      opaque: opaque(),
    },
    fd,
    termination,
  )
}
