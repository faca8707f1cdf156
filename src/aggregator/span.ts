/** A span as it was received: plain data, ids in lower-case hex, times in nanoseconds since the epoch. */

/** Spans of one trace that are read; more are not looked at. */
export const MAX_TRACE_SPANS = 50_000

/** The value of an attribute, null where the sender gave none. Integers beyond 2^53 are bigint. */
export type AttributeValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | Uint8Array
  | readonly AttributeValue[]
  | Attributes

export type Attributes = ReadonlyMap<string, AttributeValue>

export interface SpanEvent {
  readonly timeNs: bigint
  readonly name: string
  readonly attributes: Attributes
}

export interface SpanLink {
  readonly traceId: string
  readonly spanId: string
  readonly attributes: Attributes
}

/** Kinds of trace.proto's SpanKind, by number. */
export const SPAN_KINDS = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'] as const
export type SpanKind = (typeof SPAN_KINDS)[number]

/** Codes of trace.proto's Status, by number. */
export const STATUS_CODES = ['unset', 'ok', 'error'] as const
export type StatusCode = (typeof STATUS_CODES)[number]

/** What made a span: a library, a proxy. */
export interface Scope {
  readonly name: string
  readonly version: string
}

export interface ReceivedSpan {
  readonly traceId: string
  readonly spanId: string
  /** '' at the root. */
  readonly parentSpanId: string
  readonly traceState: string
  readonly name: string
  readonly kind: SpanKind
  readonly startNs: bigint
  /** As sent; may be before the start where clocks went wrong. */
  readonly endNs: bigint
  readonly attributes: Attributes
  readonly events: readonly SpanEvent[]
  readonly links: readonly SpanLink[]
  readonly status: { readonly code: StatusCode; readonly message: string }
  readonly flags: number
  /** Shared by all spans of one resource. */
  readonly resource: Attributes
  /** Shared by all spans of one scope; absent where the reader does not look at it. */
  readonly scope?: Scope
  /** Its size on the wire. */
  readonly wireBytes: number
}

/** service.name of the sender, '?' where it has none. */
export function serviceOf(span: ReceivedSpan): string {
  const name = span.resource.get('service.name')
  return typeof name === 'string' && name !== '' ? name : '?'
}

/** Microseconds; 0 where the end is before the start. */
export function durationUs({ startNs, endNs }: { readonly startNs: bigint; readonly endNs: bigint }): number {
  return endNs <= startNs ? 0 : Number(endNs - startNs) / 1000
}
