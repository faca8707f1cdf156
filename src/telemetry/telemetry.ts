/** Telemetry as the rest of the program sees it: one call a finished exchange, everything else off the data thread. */
import { wallUs } from '../core/clock.ts'
import { isGrpcFailure, RPC_NONE } from '../core/grpc.ts'
import type { Logger } from '../core/log.ts'
import { type Exchange, PHASES, phasesInto } from '../exchange/exchange.ts'
import { finalGrpcStatus } from '../exchange/grpc-status.ts'
import { callExported, type OpaqueCallFacts, writeCall } from './call-record.ts'
import { type ExporterCounts, readCounts, SharedCounters } from './counters.ts'
import { receiverMetrics, recorderMetrics } from './exporter-metrics.ts'
import { FlightRecorder } from './flight-recorder.ts'
import { Metrics } from './metrics.ts'
import type { LaneCounts } from './otlp-lane.ts'
import type { ProxyHealth } from './proxy-health.ts'
import * as L from './record-layout.ts'
import { MAX_ATTEMPTS } from './record-tail.ts'
import { detailRedaction } from './recorder/details.ts'
import { RECORDER_DEFAULTS, type RecorderOptions } from './recorder/options.ts'
import { openRing, RingWriter } from './ring.ts'
import { stateOfKept } from './sampler.ts'
import { SpanRecorder } from './span-record.ts'
import { TelemetryThread } from './telemetry-thread.ts'
import { type OpaqueTunnelFacts, tunnelExported, writeTunnel } from './tunnel-record.ts'
import { WebSocketMetrics } from './websocket-facts.ts'
import type { OtlpOptions, WorkerOptions } from './worker-protocol.ts'

/** Which exchanges are logged: `errors` are failures of the proxy's making, 5xx and broken-off ones. */
export type AccessLogMode = 'off' | 'errors' | 'all'

export interface TelemetryOptions {
  /** Where spans go; undefined: nowhere. */
  readonly otlp?: OtlpOptions | undefined
  /** Resource attributes, `service.name` among them. */
  readonly resource: Readonly<Record<string, string>>
  /** Version of this program. */
  readonly version: string
  readonly accessLog?: AccessLogMode
  /** Descriptor of the access log, default 1. */
  readonly accessLogFd?: number
  /** Longest wait of a span in the ring or in a batch, default 1000. */
  readonly scheduleMs?: number
  /** Ring between the threads, and memory of the flight recorder; default 4 MiB. */
  readonly ringBytes?: number
  /** Failed and slow exchanges kept, default 512 KiB. */
  readonly pinnedBytes?: number
  /** Exchanges that take longer are kept like failed ones; default 1000. */
  readonly slowMs?: number
  /** Further query parameters whose values are secrets. */
  readonly redactQuery?: readonly string[]
  readonly recorder?: Partial<RecorderOptions>
  /** TCP_INFO of both sides at the end of an exchange; may give the same object each time. */
  readonly tcpOf?: (x: Exchange) => L.TcpFacts | undefined
  /** Where the proxy is itself short of something. */
  readonly health?: ProxyHealth | undefined
  readonly logger: Logger
}

export interface Telemetry {
  /** For the stage stack: role `observe`. */
  onFinish(x: Exchange): undefined
  recordTunnel(facts: OpaqueTunnelFacts): void
  /** A TLS handshake that failed before there was an exchange. */
  recordFailedHandshake(facts: OpaqueTunnelFacts): void
  recordCall(facts: OpaqueCallFacts): void
  /** Whether something that failed, or did not, goes to the access log. */
  logs(failed: boolean): boolean
  readonly metrics: Metrics
  readonly recorder: FlightRecorder
  /** Turn the access log on or off while running. */
  setAccessLog(mode: AccessLogMode): void
  counters(): ExporterCounts
  /** Where spans go to several receivers: what each of them took, about a second ago. */
  receivers(): readonly LaneCounts[]
  /** Deliver what there is, for at most `deadlineMs`; what is left is dropped and counted. */
  close(deadlineMs: number): Promise<void>
}

/** Least time between two times that the thread is told of failed and slow exchanges. */
const TELL_EVERY_US = 20_000

export function createTelemetry(options: TelemetryOptions): Telemetry {
  return new RunningTelemetry(options)
}

class RunningTelemetry implements Telemetry {
  readonly metrics: Metrics
  readonly recorder: FlightRecorder
  readonly #spans: SpanRecorder
  readonly #counters = new SharedCounters()
  readonly #webSockets: WebSocketMetrics
  readonly #phases = new Float64Array(PHASES.length)
  #exports: boolean
  readonly #slowUs: number
  /** Failed and slow exchanges are told to the thread at once, but not each of a storm. */
  readonly #tells: boolean
  #toldUs = 0
  readonly #thread: TelemetryThread
  readonly #health: ProxyHealth | undefined
  #accessLog: AccessLogMode

  constructor(options: TelemetryOptions) {
    this.#exports = options.otlp !== undefined
    this.#accessLog = options.accessLog ?? 'off'
    this.#health = options.health
    this.#slowUs = (options.slowMs ?? 1000) * 1000
    const memory = openRing(options.ringBytes ?? 4 * 1024 * 1024)
    const ring: RingWriter = new RingWriter(memory, () => this.#thread.wake())
    const recorder = { ...RECORDER_DEFAULTS, ...options.recorder }
    this.#spans = new SpanRecorder(ring, options.tcpOf, recorder.sections, options.health?.notesOf)
    this.#thread = new TelemetryThread({
      worker: workerOptions(options, recorder, memory.shared, this.#counters),
      counters: this.#counters,
      ring,
      logger: options.logger,
      onRestart: () => this.#spans.facts.forget(),
    })
    const redaction = detailRedaction(recorder, options.redactQuery)
    this.recorder = new FlightRecorder(this.#spans, options.pinnedBytes ?? 512 * 1024, redaction, wallUs(0))
    this.metrics = new Metrics(() => this.counters())
    for (const metric of receiverMetrics(() => this.#thread.receivers)) this.metrics.add(metric)
    for (const metric of recorderMetrics(() => this.counters().recorder)) this.metrics.add(metric)
    this.#webSockets = new WebSocketMetrics(this.metrics)
    options.health?.watch(this.metrics, () => this.counters())
    const writes = recorder.dump !== undefined || recorder.file !== undefined
    this.#tells = writes || this.#exports
    if (this.#tells || this.#accessLog !== 'off') this.#thread.start()
  }

  onFinish(x: Exchange): undefined {
    const phases = this.#phases
    phasesInto(x.timing, phases)
    x.grpcStatus = finalGrpcStatus(x)
    const method = L.methodIndex(x.request.method)
    this.metrics.record(x, method, phases)
    if (x.webSocket !== undefined) this.#webSockets.record(x)
    const failed = x.error !== undefined || x.status >= 500 || failedCall(x)
    const kept = failed || x.durationUs > this.#slowUs
    let flags = 0
    if ((x.sampled || kept) && this.#exports && x.trace !== undefined) flags |= L.F_EXPORT
    // What became a tunnel is long, not slow.
    if (failed || (kept && x.status !== 101)) flags |= L.F_TRIGGER
    if (kept && x.trace !== undefined) x.trace.state = stateOfKept(x.trace, x.sampled)
    if (this.#accessLog === 'all' || (failed && this.#accessLog === 'errors')) flags |= L.F_LOG
    const written = this.#spans.write(x, method, phases, flags)
    if ((flags & L.F_EXPORT) !== 0) this.#count(x, written)
    if (!written && (flags & L.F_LOG) !== 0) this.#counters.add('logRingFull', 1)
    if (kept) this.#keep(x, method, phases, flags)
    return undefined
  }

  #keep(x: Exchange, method: number, phases: Float64Array, flags: number): void {
    this.recorder.pin(x, method, phases, flags)
    if (!this.#tells || x.timing.finishUs - this.#toldUs < TELL_EVERY_US) return
    this.#toldUs = x.timing.finishUs
    this.#thread.wake()
  }

  #count(x: Exchange, written: boolean): void {
    const spans = x.attemptLog === undefined ? 1 : 1 + Math.min(x.attemptLog.length, MAX_ATTEMPTS)
    this.#counters.add('recorded', spans)
    if (!written) this.#counters.add('ring_full', spans)
  }

  recordTunnel(facts: OpaqueTunnelFacts): void {
    this.metrics.recordTunnel(facts.reason, facts.error)
    this.#writeTunnel(facts)
  }

  recordFailedHandshake(facts: OpaqueTunnelFacts): void {
    this.#writeTunnel(facts)
  }

  #writeTunnel(facts: OpaqueTunnelFacts): void {
    let flags = this.#exports ? tunnelExported(facts) : 0
    if (this.logs(facts.error !== undefined)) flags |= L.F_LOG
    this.#countOne(flags, writeTunnel(this.#spans.ring, facts, flags))
  }

  recordCall(facts: OpaqueCallFacts): void {
    let flags = this.#exports ? callExported(facts) : 0
    if (this.logs(facts.call.error !== undefined)) flags |= L.F_LOG
    this.#countOne(flags, writeCall(this.#spans.ring, facts, flags))
  }

  logs(failed: boolean): boolean {
    return this.#accessLog === 'all' || (failed && this.#accessLog === 'errors')
  }

  #countOne(flags: number, written: boolean): void {
    if (!written && (flags & L.F_LOG) !== 0) this.#counters.add('logRingFull', 1)
    if ((flags & L.F_EXPORT) === 0) return
    this.#counters.add('recorded', 1)
    if (!written) this.#counters.add('ring_full', 1)
  }

  setAccessLog(mode: AccessLogMode): void {
    this.#accessLog = mode
    if (mode !== 'off') this.#thread.start()
  }

  counters(): ExporterCounts {
    return readCounts(this.#counters)
  }

  receivers(): readonly LaneCounts[] {
    return this.#thread.receivers
  }

  close(deadlineMs: number): Promise<void> {
    this.#health?.close()
    this.#exports = false
    this.#accessLog = 'off'
    return this.#thread.close(deadlineMs)
  }
}

/** A gRPC call whose server is to blame. */
function failedCall(x: Exchange): boolean {
  return x.rpc !== RPC_NONE && x.grpcStatus >= 0 && isGrpcFailure(x.grpcStatus, false)
}

function workerOptions(
  options: TelemetryOptions,
  recorder: RecorderOptions,
  ring: SharedArrayBuffer,
  counters: SharedCounters,
): WorkerOptions {
  return {
    ring,
    recorder,
    counters: counters.shared,
    otlp: options.otlp,
    resource: {
      'telemetry.sdk.name': 'hopscope',
      'telemetry.sdk.language': 'nodejs',
      'telemetry.sdk.version': options.version,
      ...options.resource,
    },
    version: options.version,
    scheduleMs: options.scheduleMs ?? 1000,
    accessLogFd: options.accessLogFd ?? 1,
    redactQuery: options.redactQuery ?? [],
    originUs: wallUs(0),
  }
}
