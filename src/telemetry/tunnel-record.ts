/** Opaque tunnels in the ring: rare enough for JSON. */
import type { ProxyError } from '../core/errors.ts'
import type { MessageWriter } from '../core/protobuf.ts'
import type { ConnectionInfo, Direction, Endpoint, TraceContext } from '../exchange/exchange.ts'
import { readJson, writeJson } from './json-record.ts'
import { KIND_CLIENT, KIND_SERVER, plainSpan } from './otlp-rare.ts'
import { F_EXPORT, type TailValue, TUNNEL } from './record-layout.ts'
import type { RingMemory, RingWriter } from './ring.ts'
import { stateOfKept } from './sampler.ts'

/** The reason of what never became a tunnel: TLS that was to be terminated here. */
export const FAILED_HANDSHAKE = 'tls-handshake'

/** Which protocol a tunnel spoke, by its first bytes, and what was seen of its requests. */
export interface TunnelProtocol {
  /** `mqtt`, `redis`: one of few. */
  readonly name: string
  readonly version: string
  /** `framed binary`, `SSLRequest`; '' where there is one form only. */
  readonly variant: string
  /** Why its requests were not followed to the end, '' where they were. */
  readonly gaveUp: string
  readonly calls: number
  readonly failedCalls: number
  /** Requests and replies without their partner. */
  readonly unpaired: number
  /** How the protocol itself was ended, `server: session_taken_over`; '' where it was not. */
  readonly closing: string
}

/** A finished opaque tunnel; times in microseconds of the monotonic clock. */
export interface OpaqueTunnelFacts {
  readonly connection: ConnectionInfo
  /** Its own trace context; no span is exported without one. */
  readonly trace: TraceContext | undefined
  readonly sampled: boolean
  /** Why it was not read, or {@link FAILED_HANDSHAKE}: `tls`, `unknown`, `server-first`, `port`, `timeout`, `connect`, `upgrade`. */
  readonly reason: string
  readonly destination: Endpoint | undefined
  readonly startUs: number
  readonly endUs: number
  readonly bytesFromClient: number
  readonly bytesToClient: number
  /** Server name of the ClientHello and the protocols that it offers, with commas; '' where there were none. */
  readonly serverName: string
  readonly alpnOffered: string
  /** Dial of the destination, -1 where it did not succeed. */
  readonly connectUs: number
  /** ClientHello sent on to the end of the handshake, -1 where not TLS or not seen. */
  readonly tlsHandshakeUs: number
  readonly protocol?: TunnelProtocol | undefined
  readonly error: ProxyError | undefined
}

/** What the record holds, as JSON. */
export interface TunnelView {
  readonly kind: 'tunnel'
  readonly direction: Direction
  readonly peer: Endpoint
  readonly destination: Endpoint | undefined
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string
  /** tracestate, '' for none. */
  readonly state: string
  readonly flags: number
  readonly reason: string
  readonly startUs: number
  readonly endUs: number
  readonly bytesFromClient: number
  readonly bytesToClient: number
  readonly serverName: string
  readonly alpnOffered: string
  readonly connectUs: number
  readonly tlsHandshakeUs: number
  readonly protocol?: TunnelProtocol
  readonly errorCode: string
  readonly errorPhase: string
  readonly errorSource: string
  readonly errno: string
  readonly errorDetail: string
}

const endpoint = (from: Endpoint): Endpoint => ({ address: from.address, port: from.port })

/** Write a TUNNEL record; false: the ring is full. */
export function writeTunnel(ring: RingWriter, facts: OpaqueTunnelFacts, flags: number): boolean {
  const { error, trace } = facts
  const view: TunnelView = {
    kind: 'tunnel',
    direction: facts.connection.direction,
    peer: endpoint(facts.connection.peer),
    destination: facts.destination && endpoint(facts.destination),
    traceId: trace?.traceId ?? '',
    spanId: trace?.spanId ?? '',
    parentSpanId: trace?.parentSpanId ?? '',
    state: keptState(facts),
    flags: trace?.flags ?? 0,
    reason: facts.reason.slice(0, 64),
    startUs: facts.startUs,
    endUs: facts.endUs,
    bytesFromClient: facts.bytesFromClient,
    bytesToClient: facts.bytesToClient,
    serverName: facts.serverName.slice(0, 255),
    alpnOffered: facts.alpnOffered.slice(0, 64),
    connectUs: Math.round(facts.connectUs),
    tlsHandshakeUs: Math.round(facts.tlsHandshakeUs),
    ...(facts.protocol && { protocol: facts.protocol }),
    errorCode: error?.code ?? '',
    errorPhase: error?.phase ?? '',
    errorSource: error?.source ?? '',
    errno: error?.errno ?? '',
    errorDetail: (error?.detail ?? '').slice(0, 256),
  }
  return writeJson(ring, TUNNEL, flags, view)
}

export function tunnelExported(facts: OpaqueTunnelFacts): number {
  return (facts.sampled || isFailure(facts)) && facts.trace !== undefined ? F_EXPORT : 0
}

/** Failures are exported whether their traces are sampled or not. */
const isFailure = ({ error }: OpaqueTunnelFacts): boolean => error !== undefined && error.code !== 'client_closed'

function keptState(facts: OpaqueTunnelFacts): string {
  const { trace, sampled } = facts
  if (trace === undefined) return ''
  return isFailure(facts) ? stateOfKept(trace, sampled) : trace.state
}

export function readTunnel(memory: RingMemory, at: number): TunnelView {
  return readJson(memory, at) as TunnelView
}

/** The span of a tunnel; `originUs` is added to its clock. */
export function tunnelSpan(memory: RingMemory, at: number, originUs: number): MessageWriter {
  const view = readTunnel(memory, at)
  const attributes: [string, TailValue][] = [
    ['hopscope.direction', view.direction],
    ['hopscope.tunnel.reason', view.reason],
    ['hopscope.tunnel.bytes_from_client', view.bytesFromClient],
    ['hopscope.tunnel.bytes_to_client', view.bytesToClient],
    ['network.transport', 'tcp'],
    ['client.address', view.peer.address],
  ]
  const outbound = view.direction === 'outbound'
  const peer = outbound ? view.destination : view.peer
  if (peer !== undefined) attributes.push(['network.peer.address', peer.address], ['network.peer.port', peer.port])
  const server = view.serverName !== '' ? view.serverName : (view.destination?.address ?? '')
  if (server !== '') attributes.push(['server.address', server])
  if (view.destination !== undefined) attributes.push(['server.port', view.destination.port])
  if (view.serverName !== '') attributes.push(['tls.client.server_name', view.serverName])
  // Which of them was chosen is encrypted since TLS 1.3.
  if (view.alpnOffered !== '') attributes.push(['hopscope.tls.alpn_offered', view.alpnOffered])
  if (view.connectUs >= 0) attributes.push(['hopscope.phase.connect_us', view.connectUs])
  if (view.tlsHandshakeUs >= 0) attributes.push(['hopscope.phase.tls_us', view.tlsHandshakeUs])
  if (view.protocol !== undefined) attributes.push(...protocolFacts(view.protocol))
  const failed = view.errorCode !== '' && view.errorCode !== 'client_closed'
  if (view.errorCode !== '') {
    attributes.push(['hopscope.error.code', view.errorCode], ['hopscope.error.phase', view.errorPhase])
    if (view.errno !== '') attributes.push(['hopscope.error.errno', view.errno])
  }
  if (failed) attributes.push(['error.type', view.errorCode])
  return plainSpan({
    traceId: view.traceId,
    spanId: view.spanId,
    parentSpanId: view.parentSpanId,
    state: view.state,
    name: view.reason === FAILED_HANDSHAKE ? 'tls handshake' : `tunnel ${view.reason}`,
    kind: outbound ? KIND_CLIENT : KIND_SERVER,
    startUs: view.startUs + originUs,
    endUs: view.endUs + originUs,
    flags: view.flags,
    attributes,
    errorMessage: failed ? view.errorDetail : undefined,
  })
}

/** The label in words: `thrift framed binary`, `mqtt 5.0; gave up`. */
export function protocolLabel({ name, version, variant, gaveUp }: TunnelProtocol): string {
  const words = [name, version, variant].filter((word) => word !== '').join(' ')
  return gaveUp === '' ? words : `${words}; gave up`
}

function protocolFacts(protocol: TunnelProtocol): [string, TailValue][] {
  const attributes: [string, TailValue][] = [
    ['network.protocol.name', protocol.name],
    ['hopscope.tunnel.protocol', protocolLabel(protocol)],
  ]
  if (protocol.version !== '') attributes.push(['network.protocol.version', protocol.version])
  if (protocol.gaveUp !== '') attributes.push(['hopscope.tunnel.gave_up', protocol.gaveUp])
  if (protocol.calls > 0) attributes.push(['hopscope.tunnel.calls', protocol.calls])
  if (protocol.failedCalls > 0) attributes.push(['hopscope.tunnel.failed_calls', protocol.failedCalls])
  if (protocol.unpaired > 0) attributes.push(['hopscope.tunnel.unpaired', protocol.unpaired])
  if (protocol.closing !== '') attributes.push(['hopscope.tunnel.closing', protocol.closing])
  return attributes
}
