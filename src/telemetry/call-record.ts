/** A request and its reply inside of an opaque tunnel, in the ring. */
import type { MessageWriter } from '../core/protobuf.ts'
import type { ConnectionInfo, Direction, Endpoint, TraceContext } from '../exchange/exchange.ts'
import { readJson, writeJson } from './json-record.ts'
import { KIND_CLIENT, KIND_SERVER, link, plainSpan } from './otlp-rare.ts'
import { CALL, F_EXPORT, type TailValue } from './record-layout.ts'
import type { RingMemory, RingWriter } from './ring.ts'
import { stateOfKept } from './sampler.ts'

export interface SpanLink {
  readonly traceId: string
  readonly spanId: string
}

/** What was seen; times in microseconds of the monotonic clock. */
export interface SeenCall {
  readonly protocol: string
  /** One of few: `PUBLISH`, `call`. */
  readonly operation: string
  /** Of the span. */
  readonly name: string
  /** The request came from the side that opened the connection. */
  readonly fromClient: boolean
  readonly startUs: number
  readonly endUs: number
  readonly attributes: readonly (readonly [string, TailValue])[]
  readonly error: { readonly type: string; readonly message: string } | undefined
}

/** A finished call on a connection. */
export interface OpaqueCallFacts {
  readonly call: SeenCall
  readonly connection: ConnectionInfo
  readonly destination: Endpoint | undefined
  readonly trace: TraceContext
  readonly sampled: boolean
  /** The span of the tunnel, where that is exported. */
  readonly tunnel: SpanLink | undefined
}

/** What the record holds. */
export interface CallView extends SeenCall {
  readonly kind: 'call'
  readonly direction: Direction
  readonly peer: Endpoint
  readonly destination: Endpoint | undefined
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string
  /** tracestate, '' for none. */
  readonly state: string
  readonly flags: number
  readonly tunnel: SpanLink | undefined
}

/** Write a CALL record; false: the ring is full. */
export function writeCall(ring: RingWriter, facts: OpaqueCallFacts, flags: number): boolean {
  const { call, connection, destination, trace, tunnel } = facts
  const view: CallView = {
    kind: 'call',
    protocol: call.protocol,
    operation: call.operation,
    name: call.name,
    fromClient: call.fromClient,
    startUs: call.startUs,
    endUs: call.endUs,
    attributes: call.attributes,
    error: call.error,
    direction: connection.direction,
    peer: connection.peer,
    destination,
    traceId: trace.traceId,
    spanId: trace.spanId,
    parentSpanId: trace.parentSpanId,
    state: call.error === undefined ? trace.state : stateOfKept(trace, facts.sampled),
    flags: trace.flags,
    tunnel,
  }
  return writeJson(ring, CALL, flags, view)
}

export function callExported(facts: OpaqueCallFacts): number {
  // Failures are exported whether their traces are sampled or not.
  return facts.sampled || facts.call.error !== undefined ? F_EXPORT : 0
}

export function readCall(memory: RingMemory, at: number): CallView {
  return readJson(memory, at) as CallView
}

/**
 * The span of a call; `originUs` is added to its clock. The app beside us is served where it did not ask: SERVER for a
 * request from the client of an inbound connection, and for one from the server of an outbound connection.
 */
export function callSpan(memory: RingMemory, at: number, originUs: number): MessageWriter {
  const view = readCall(memory, at)
  const outbound = view.direction === 'outbound'
  const { peer, destination, error } = view
  const attributes: [string, TailValue][] = [
    ['network.protocol.name', view.protocol],
    ['hopscope.direction', view.direction],
    ['network.transport', 'tcp'],
    ['client.address', peer.address],
  ]
  const remote = outbound ? destination : peer
  if (remote !== undefined)
    attributes.push(['network.peer.address', remote.address], ['network.peer.port', remote.port])
  if (destination !== undefined)
    attributes.push(['server.address', destination.address], ['server.port', destination.port])
  for (const [key, value] of view.attributes) attributes.push([key, value])
  if (error !== undefined) attributes.push(['error.type', error.type])
  const span = plainSpan({
    traceId: view.traceId,
    spanId: view.spanId,
    parentSpanId: view.parentSpanId,
    state: view.state,
    name: view.name,
    kind: outbound === view.fromClient ? KIND_CLIENT : KIND_SERVER,
    startUs: view.startUs + originUs,
    endUs: view.endUs + originUs,
    flags: view.flags,
    attributes,
    errorMessage: error?.message,
  })
  // Span.links = 13
  return view.tunnel === undefined ? span : span.message(13, link(view.tunnel.traceId, view.tunnel.spanId, []))
}
