/** A record read back as plain data: for the access log, the flight recorder and tests, never on the hot path. */
import { ERROR_CODES, type ErrorCode, type ErrorPhase, type ErrorSource } from '../core/errors.ts'
import { grpcStatusName } from '../core/grpc.ts'
import { type Direction, type Endpoint, type IdempotencyOutcome, PHASES, type Phase } from '../exchange/exchange.ts'
import type { CallView } from './call-record.ts'
import { textOf } from './otlp-attributes.ts'
import * as L from './record-layout.ts'
import { type Redactor, withoutUserinfo } from './redact.ts'
import type { RingMemory } from './ring.ts'
import type { TunnelView } from './tunnel-record.ts'

export interface ErrorView {
  readonly code: ErrorCode
  readonly phase: ErrorPhase
  readonly source: ErrorSource
  readonly errno: string
  readonly detail: string
  readonly bytesSent: number | undefined
  readonly connectionAgeUs: number | undefined
}

/** A finished exchange. Times and durations in microseconds. */
export interface ExchangeView {
  readonly kind: 'exchange'
  /** ISO 8601. */
  readonly time: string
  readonly startUs: number
  readonly durationUs: number
  readonly direction: Direction
  readonly method: string
  readonly host: string
  /** With its query, secrets in it replaced. */
  readonly path: string
  readonly status: number
  readonly responded: boolean
  /** Status of a gRPC call by name; '' where none is known, undefined where it is none. */
  readonly grpcStatus: string | undefined
  readonly version: number
  readonly requestId: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string
  readonly sampled: boolean
  readonly client: Endpoint | undefined
  readonly destination: Endpoint | undefined
  readonly upstream: Endpoint | undefined
  readonly upstreamReused: boolean
  readonly userAgent: string
  readonly requestBytes: number
  readonly responseBytes: number
  readonly phasesUs: Readonly<Partial<Record<Phase, number>>>
  readonly attempts: number
  readonly error: ErrorView | undefined
  readonly tcp: L.TcpFacts | undefined
  readonly inferredLink: { readonly traceId: string; readonly spanId: string } | undefined
  /** The exchange whose response was given again. */
  readonly original: { readonly traceId: string; readonly spanId: string } | undefined
  /** What became of a request with an Idempotency-Key. */
  readonly idempotency: IdempotencyOutcome | undefined
  readonly tracestate: string
  readonly tail: L.RecordTail | undefined
}

/** A tunnel or a call with times since the epoch, as an exchange has them. */
export type DatedView = (TunnelView | CallView) & { readonly time: string }

/** `originUs` is added to the clock of `view`. */
export function dated(view: TunnelView | CallView, originUs: number): DatedView {
  const startUs = view.startUs + originUs
  return { ...view, time: new Date(startUs / 1000).toISOString(), startUs, endUs: view.endUs + originUs }
}

const endpoint = (address: string | undefined, port: number | undefined): Endpoint | undefined =>
  address === undefined || port === undefined || port === 0 ? undefined : { address, port }

/** Read the EXCHANGE record at word `at`; `originUs` is added to its clock. */
export function viewExchange(
  memory: RingMemory,
  at: number,
  facts: L.ConnectionFactsRecord | undefined,
  redactor: Redactor,
  originUs: number,
): ExchangeView {
  const { int32, float64, bytes } = memory
  const half = at * 2
  const low = (index: number): number => int32[half + index]! & 0xffff
  const high = (index: number): number => int32[half + index]! >>> 16
  const flags = int32[half + L.H_FLAGS]!
  const has = (flag: number): boolean => (flags & flag) !== 0
  let cursor = (at + L.W_STRINGS) * 8
  const next = (length: number): string => {
    cursor += length
    return length === 0 ? '' : textOf(bytes, cursor - length, cursor)
  }
  const traceId = next(has(L.F_TRACE) ? 32 : 0)
  const spanId = next(has(L.F_TRACE) ? 16 : 0)
  const parentSpanId = next(has(L.F_PARENT) ? 16 : 0)
  const requestId = next(high(L.H_PATH_REQUEST_ID))
  const path = next(low(L.H_PATH_REQUEST_ID))
  const otherMethod = next(high(L.H_STATE_METHOD))
  const host = has(L.F_HOST) ? next(low(L.H_HOST_AGENT)) : (facts?.host ?? '')
  const userAgent = has(L.F_AGENT) ? next(high(L.H_HOST_AGENT)) : (facts?.userAgent ?? '')
  const upstreamAddress = has(L.F_UPSTREAM) ? next(low(L.H_UPSTREAM)) : facts?.upstreamAddress
  const tracestate = next(low(L.H_STATE_METHOD))
  const errno = next(low(L.H_ERRNO_DETAIL))
  const detail = next(high(L.H_ERRNO_DETAIL))
  const link = next(has(L.F_LINK) ? 48 : 0)
  const tail = next(int32[half + L.H_TAIL]!)
  const phasesUs: Partial<Record<Phase, number>> = {}
  PHASES.forEach((phase, i) => {
    const us = float64[at + L.W_PHASES + i]!
    if (us >= 0) phasesUs[phase] = Math.round(us)
  })
  const startUs = float64[at + L.W_START]! + originUs
  return {
    kind: 'exchange',
    time: new Date(startUs / 1000).toISOString(),
    startUs,
    durationUs: Math.round(float64[at + L.W_DURATION]!),
    direction: facts?.direction ?? (has(L.F_OUTBOUND) ? 'outbound' : 'inbound'),
    method: otherMethod !== '' ? otherMethod : (L.METHODS[high(L.H_STATUS)] ?? ''),
    host: withoutUserinfo(host),
    path: redactor.path(path),
    status: low(L.H_STATUS),
    responded: has(L.F_RESPONSE),
    grpcStatus: viewRpc(int32[half + L.H_TRACE_FLAGS]! >>> L.RPC_SHIFT),
    version: (int32[half + L.H_ERROR]! >>> 16) & 0xff,
    requestId,
    traceId,
    spanId,
    parentSpanId,
    sampled: has(L.F_EXPORT),
    client: endpoint(facts?.peerAddress, facts?.peerPort),
    destination: endpoint(facts?.destinationAddress, facts?.destinationPort),
    upstream: endpoint(upstreamAddress, has(L.F_UPSTREAM) ? high(L.H_UPSTREAM) : facts?.upstreamPort),
    upstreamReused: has(L.F_REUSED),
    userAgent,
    requestBytes: float64[at + L.W_REQUEST_BYTES]!,
    responseBytes: float64[at + L.W_RESPONSE_BYTES]!,
    phasesUs,
    attempts: int32[half + L.H_ERROR]! >>> 24,
    error: viewError(memory, at, errno, detail, has(L.F_ERROR_CONNECTION)),
    tcp: has(L.F_TCP) ? viewTcp(int32, half) : undefined,
    inferredLink: link === '' || has(L.F_ORIGINAL) ? undefined : linkOf(link),
    original: link === '' || !has(L.F_ORIGINAL) ? undefined : linkOf(link),
    idempotency: L.outcomeOf(flags),
    tracestate,
    tail: tail === '' ? undefined : (JSON.parse(tail) as L.RecordTail),
  }
}

function viewError(
  memory: RingMemory,
  at: number,
  errno: string,
  detail: string,
  connection: boolean,
): ErrorView | undefined {
  const bits = memory.int32[at * 2 + L.H_ERROR]!
  const code = L.ERROR_NAMES[(bits & 0xff) - 1]
  if (code === undefined) return undefined
  return {
    code,
    phase: L.ERROR_PHASES[(bits >>> 8) & 0xff] ?? 'head',
    source: ERROR_CODES[code].source,
    errno,
    detail,
    bytesSent: connection ? memory.float64[at + L.W_ERROR_SENT]! : undefined,
    connectionAgeUs: connection ? Math.round(memory.float64[at + L.W_ERROR_AGE]!) : undefined,
  }
}

const linkOf = (ids: string): { traceId: string; spanId: string } => ({
  traceId: ids.slice(0, 32),
  spanId: ids.slice(32),
})

function viewRpc(bits: number): string | undefined {
  if (bits === 0) return undefined
  return bits < L.RPC_STATUS ? '' : grpcStatusName(bits - L.RPC_STATUS)
}

const viewTcp = (int32: Int32Array, half: number): L.TcpFacts => ({
  downstreamRttUs: int32[half + L.H_TCP]!,
  downstreamRetransmits: int32[half + L.H_TCP + 1]!,
  upstreamRttUs: int32[half + L.H_TCP + 2]!,
  upstreamRetransmits: int32[half + L.H_TCP + 3]!,
})
