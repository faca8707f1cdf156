/**
 * What is told of opaque connections: the span of the tunnel, and one for each request and reply seen inside. Those have
 * traces of their own with a link to the tunnel's span: a connection may live for months, and its trace would never end.
 */
import { newSpanId, newTraceId } from '../core/ids.ts'
import type { Logger } from '../core/log.ts'
import type { ConnectionInfo, Endpoint, TraceContext } from '../exchange/exchange.ts'
import type { ObservedCall } from '../net/protocols/call.ts'
import { type ProtocolFacts, ProtocolWatch } from '../net/protocols/protocol-watch.ts'
import type { OpaqueMetrics } from '../telemetry/opaque-metrics.ts'
import type { HeadSampler, Sampler } from '../telemetry/sampler.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import type { OpaqueTunnelFacts } from '../telemetry/tunnel-record.ts'
import { Rate } from './rate.ts'

export interface OpaqueTelemetryOptions {
  readonly telemetry: Telemetry
  readonly metrics: OpaqueMetrics
  readonly sample: Sampler
  /** Says by which share a trace was kept. */
  readonly stateOf?: HeadSampler['stateOf'] | undefined
  readonly log: Logger
  /** Whether requests are paired with replies. */
  readonly calls: boolean
  /** Most calls recorded in a second. */
  readonly callsPerSecond: number
}

/** A finished tunnel, with what was seen inside of it if anyone looked. */
export type TunnelReport = Omit<OpaqueTunnelFacts, 'trace' | 'sampled' | 'protocol'> & {
  readonly sight?: TunnelSight | undefined
}

/** The span that a tunnel will have. */
export interface Origin {
  readonly trace: TraceContext
  readonly sampled: boolean
}

/** trace-flags (W3C Trace Context level 2, §3.2.2.5). */
const SAMPLED = 1
const RANDOM = 2

/** A trace of its own, for what belongs to none. */
export function newOrigin(sample: Sampler, stateOf: HeadSampler['stateOf'] | undefined): Origin {
  const traceId = newTraceId()
  const sampled = sample(undefined, traceId)
  const state = stateOf?.(undefined, traceId, '', sampled) ?? ''
  const flags = sampled ? RANDOM | SAMPLED : RANDOM
  return { trace: { traceId, spanId: newSpanId(), parentSpanId: '', flags, state }, sampled }
}

export class OpaqueTelemetry {
  readonly #options: OpaqueTelemetryOptions
  readonly #rate: Rate

  constructor(options: OpaqueTelemetryOptions) {
    this.#options = options
    this.#rate = new Rate(options.callsPerSecond)
  }

  /** Looks into a tunnel that is about to begin; its observers are for `joinTunnel`. */
  look(connection: ConnectionInfo, destination: Endpoint): TunnelSight {
    const { metrics, calls, log } = this.#options
    const sight: TunnelSight = new TunnelSight(
      new ProtocolWatch({
        onProtocol: ({ name }) => metrics.connections.inc(name),
        onCall: calls ? (call) => this.#call(sight, connection, destination, call) : undefined,
        onFault: (error) => log.error({ err: error }, 'an opaque connection is watched no more, by a fault of ours'),
      }),
      () => this.#origin(),
    )
    return sight
  }

  /** A tunnel is over. */
  record({ sight, ...facts }: TunnelReport): void {
    const { telemetry, metrics } = this.#options
    const protocol = sight?.finish()
    if (sight !== undefined && protocol === undefined) metrics.connections.inc('unknown')
    if (protocol !== undefined && protocol.gaveUp !== '') metrics.gaveUp.inc(protocol.name)
    if (protocol !== undefined && protocol.unpaired > 0) metrics.unpaired.inc(protocol.name, protocol.unpaired)
    telemetry.recordTunnel({ ...facts, ...(sight?.origin ?? this.#origin()), protocol })
  }

  #origin(): Origin {
    return newOrigin(this.#options.sample, this.#options.stateOf)
  }

  #call(sight: TunnelSight, connection: ConnectionInfo, destination: Endpoint, call: ObservedCall): void {
    const { telemetry, metrics, sample, stateOf } = this.#options
    const outcome = call.error === undefined ? 'ok' : call.error.type === 'no_reply' ? 'no_reply' : 'error'
    metrics.call(call.protocol, call.operation, outcome, call.endUs - call.startUs)
    const { parent } = call
    const traceId = parent?.traceId ?? newTraceId()
    const sampled = sample(parent?.flags, traceId)
    const logged = telemetry.logs(call.error !== undefined)
    if (!sampled && !logged && call.error === undefined) return
    if (!this.#rate.take(call.endUs)) {
      metrics.notRecorded++
      return
    }
    const { origin } = sight
    const flags = (parent === undefined ? RANDOM : parent.flags & RANDOM) | (sampled ? SAMPLED : 0)
    telemetry.recordCall({
      call,
      connection,
      destination,
      sampled,
      trace: {
        traceId,
        spanId: newSpanId(),
        parentSpanId: parent?.spanId ?? '',
        flags,
        state: stateOf?.(parent?.flags, traceId, '', sampled) ?? '',
      },
      tunnel: origin.sampled ? { traceId: origin.trace.traceId, spanId: origin.trace.spanId } : undefined,
    })
  }
}

/** What is seen inside of one tunnel. */
export class TunnelSight {
  readonly #watch: ProtocolWatch
  readonly #newOrigin: () => Origin
  #origin: Origin | undefined

  constructor(watch: ProtocolWatch, newOrigin: () => Origin) {
    this.#watch = watch
    this.#newOrigin = newOrigin
  }

  get observers(): ProtocolWatch {
    return this.#watch
  }

  /** The span of the tunnel is made up with the first call that refers to it. */
  get origin(): Origin {
    this.#origin ??= this.#newOrigin()
    return this.#origin
  }

  /** The connection is over; undefined where its protocol is not known. */
  finish(): ProtocolFacts | undefined {
    this.#watch.finish()
    return this.#watch.facts
  }
}
