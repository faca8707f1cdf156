/** A span as its columns tell it: for lists, where attributes are not wanted. */
import type { Names } from '../intake/names.ts'
import type { SegmentExtent, SegmentView } from '../intake/segment.ts'
import { SPAN_KINDS, type SpanKind } from '../span.ts'

export const DIRECTIONS = ['', 'inbound', 'outbound', 'edge'] as const

export interface SpanRow {
  readonly traceId: string
  readonly spanId: string
  /** '' at the root. */
  readonly parentSpanId: string
  /** Nanoseconds since the epoch. */
  readonly startNs: bigint
  readonly durationUs: number
  readonly receivedMs: number
  readonly service: string
  readonly host: string
  readonly name: string
  readonly route: string
  readonly peer: string
  readonly error: string
  /** Outcome of the idempotency stage, '' where it had none. */
  readonly outcome: string
  readonly http: number
  readonly kind: SpanKind
  readonly failed: boolean
  readonly direction: (typeof DIRECTIONS)[number]
}

/** Columns that {@link rowOfColumns} reads, in its order. */
export const ROW_COLUMNS =
  'trace_a, trace_b, span, parent, start_ns, duration_us, received_ms, service, host, name, route, peer, error, outcome, http, kind, status, direction'

const scratch = Buffer.alloc(16)

/** Ids are kept as the little-endian number of their bytes. */
export function hexOf(value: bigint): string {
  scratch.writeBigUInt64LE(value)
  return scratch.toString('hex', 0, 8)
}

/** The number that an id of 16 hex digits is kept as. */
export function idNumber(hex: string): bigint {
  return Buffer.from(hex, 'hex').readBigUInt64LE()
}

export function rowOfColumns(values: readonly unknown[], names: Names): SpanRow {
  const [a, b, span, parent, start, duration, received, service, host, name, route, peer, error, outcome] = values
  const [http, kind, status, direction] = values.slice(14) as number[]
  return {
    traceId: hexOf(a as bigint) + hexOf(b as bigint),
    spanId: hexOf(span as bigint),
    parentSpanId: parent === 0n ? '' : hexOf(parent as bigint),
    startNs: start as bigint,
    durationUs: duration as number,
    receivedMs: received as number,
    service: names.text(service as number),
    host: names.text(host as number),
    name: names.text(name as number),
    route: names.text(route as number),
    peer: names.text(peer as number),
    error: names.text(error as number),
    outcome: names.text(outcome as number),
    http: http!,
    kind: SPAN_KINDS[kind!] ?? 'unspecified',
    failed: status === 2,
    direction: DIRECTIONS[direction!] ?? '',
  }
}

export const wordsToNumber = (words: Uint32Array, at: number): bigint =>
  (BigInt(words[at + 1]!) << 32n) | BigInt(words[at]!)

export function rowOfView(view: SegmentView, extent: SegmentExtent, row: number, names: Names): SpanRow {
  const parent = wordsToNumber(view.parent, row * 2)
  return {
    traceId: hexOf(wordsToNumber(view.trace, row * 4)) + hexOf(wordsToNumber(view.trace, row * 4 + 2)),
    spanId: hexOf(wordsToNumber(view.span, row * 2)),
    parentSpanId: parent === 0n ? '' : hexOf(parent),
    startNs: wordsToNumber(view.start, row * 2),
    durationUs: view.duration[row]!,
    receivedMs: extent.baseMs + view.received[row]!,
    service: names.text(view.service[row]!),
    host: names.text(view.host[row]!),
    name: names.text(view.name[row]!),
    route: names.text(view.route[row]!),
    peer: names.text(view.peer[row]!),
    error: names.text(view.error[row]!),
    outcome: names.text(view.outcome[row]!),
    http: view.http[row]!,
    kind: SPAN_KINDS[view.kind[row]!] ?? 'unspecified',
    failed: view.status[row] === 2,
    direction: DIRECTIONS[view.direction[row]!] ?? '',
  }
}

export const latestFirst = (x: SpanRow, y: SpanRow): number =>
  x.startNs < y.startNs ? 1 : x.startNs > y.startNs ? -1 : 0
