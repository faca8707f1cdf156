/** A span as it was received: plain data, ids in lower-case hex, times in nanoseconds since the epoch. */

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

/** Kinds of trace.proto's SpanKind. */
export const SERVER = 2
export const CLIENT = 3

/** trace.proto's StatusCode. */
export const STATUS_ERROR = 2

export interface ReceivedSpan {
  readonly traceId: string
  readonly spanId: string
  /** '' at the root. */
  readonly parentSpanId: string
  readonly traceState: string
  readonly name: string
  readonly kind: number
  readonly startNs: bigint
  /** As sent; may be before the start where clocks went wrong. */
  readonly endNs: bigint
  readonly attributes: Attributes
  readonly events: readonly SpanEvent[]
  readonly links: readonly SpanLink[]
  readonly status: { readonly code: number; readonly message: string }
  readonly flags: number
  /** Shared by all spans of one resource. */
  readonly resource: Attributes
  /** Its size on the wire. */
  readonly wireBytes: number
}

/** A string attribute, '' where it is absent or something else. */
export function textOf(attributes: Attributes, key: string): string {
  const value = attributes.get(key)
  return typeof value === 'string' ? value : ''
}

/** A number attribute, -1 where it is absent or something else. */
export function numberOf(attributes: Attributes, key: string): number {
  const value = attributes.get(key)
  return typeof value === 'number' ? value : -1
}
