/**
 * ExportTraceServiceRequest (opentelemetry-proto 1.x, collector/trace/v1 and trace/v1) into spans. Bounded in depth,
 * counts and sizes, and never throwing: the bytes are a stranger's.
 */
import { BYTES, FIXED32, FIXED64, VARINT } from '../core/protobuf.ts'
import { readAttribute, spend, type ValueBudget } from './otlp-attributes.ts'
import { EVENT, LINK, REQUEST, RESOURCE, RESOURCE_SPANS, SCOPE, SCOPE_SPANS, SPAN, STATUS } from './otlp-fields.ts'
import {
  type Attributes,
  type AttributeValue,
  type ReceivedSpan,
  type Scope,
  SPAN_KINDS,
  type SpanEvent,
  type SpanLink,
  STATUS_CODES,
  type StatusCode,
} from './span.ts'
import { tagOf, WireCursor, type WireFault } from './wire-cursor.ts'

/** Spans of one request: an empty one is two bytes of wire and far more in memory. */
export const MAX_SPANS = 65_536
/** Attribute values, events and links of one request. */
export const MAX_VALUES = 262_144

/** A request that was read to its end. */
export interface Decoded {
  readonly ok: true
  readonly spans: readonly ReceivedSpan[]
  /** Spans left out since their ids are no ids. */
  readonly rejected: number
}

/** What is wrong with a request, and where. */
export interface Undecodable extends WireFault {
  readonly ok: false
}

export function decodeTraceRequest(bytes: Buffer): Decoded | Undecodable {
  const decoder = new Decoder(bytes)
  decoder.request()
  const { fault } = decoder.cursor
  if (fault !== undefined) return { ok: false, ...fault }
  return { ok: true, spans: decoder.spans, rejected: decoder.rejected }
}

/** Where the parts of one span stand in raw bytes that were checked when they came; 0, 0 for a part that is not there. */
export interface SpanPlace {
  readonly spanAt: number
  readonly spanEnd: number
  readonly resourceAt: number
  readonly resourceEnd: number
  readonly scopeAt: number
  readonly scopeEnd: number
}

/**
 * Read one span of a request that was checked before. Undefined where the bytes are no span after all. `like` has the same
 * resource and scope, which are shared then.
 */
export function decodeSpan(bytes: Buffer, place: SpanPlace, like?: ReceivedSpan): ReceivedSpan | undefined {
  const decoder = new Decoder(bytes, true)
  return decoder.one(place, like)
}

type Fields = Map<string, AttributeValue>
type Growing = Omit<ReceivedSpan, 'scope'> & { scope?: Scope }
const NO_FIELDS: Fields = new Map()
const NO_EVENTS: readonly SpanEvent[] = []
const NO_LINKS: readonly SpanLink[] = []
const UNSET: ReceivedSpan['status'] = { code: 'unset', message: '' }

const B = (field: number): number => tagOf(field, BYTES)
const [TIME_1, TIME_7, TIME_8] = [tagOf(1, FIXED64), tagOf(7, FIXED64), tagOf(8, FIXED64)]

class Decoder {
  readonly cursor: WireCursor
  readonly spans: ReceivedSpan[] = []
  rejected = 0
  readonly #budget: ValueBudget = { left: MAX_VALUES }

  constructor(bytes: Buffer, lossy = false) {
    this.cursor = new WireCursor(bytes, lossy)
  }

  one(place: SpanPlace, like: ReceivedSpan | undefined): ReceivedSpan | undefined {
    const { resource, scope } =
      like?.scope === undefined ? this.#origin(place) : { resource: like.resource, scope: like.scope }
    this.cursor.at = place.spanAt
    this.#span(place.spanEnd, resource, scope)
    return this.cursor.fault === undefined ? this.spans[0] : undefined
  }

  #origin(place: SpanPlace): { resource: Fields; scope: Scope } {
    const resource: Fields = new Map()
    this.cursor.at = place.resourceAt
    this.#resource(place.resourceEnd, resource)
    this.cursor.at = place.scopeAt
    return { resource, scope: this.#scope(place.scopeEnd) }
  }

  request(): void {
    const { cursor } = this
    const end = cursor.bytes.length
    while (cursor.at < end) {
      const tag = cursor.tag(end)
      if (tag === B(1)) this.#resourceSpans(cursor.block(end))
      else cursor.skip(tag, end, REQUEST)
    }
  }

  #resourceSpans(end: number): void {
    const { cursor } = this
    // Shared with the spans before it is filled: the resource may come behind them.
    const resource: Fields = new Map()
    spend(cursor, this.#budget)
    while (cursor.at < end) {
      const tag = cursor.tag(end)
      if (tag === B(1)) this.#resource(cursor.block(end), resource)
      else if (tag === B(2)) this.#scopeSpans(cursor.block(end), resource)
      else cursor.skip(tag, end, RESOURCE_SPANS)
    }
  }

  #resource(end: number, into: Fields): void {
    const { cursor } = this
    while (cursor.at < end) {
      const tag = cursor.tag(end)
      if (tag === B(1)) this.#attribute(cursor.block(end), into)
      else cursor.skip(tag, end, RESOURCE)
    }
  }

  #scopeSpans(end: number, resource: Fields): void {
    const { cursor } = this
    while (cursor.at < end) {
      const tag = cursor.tag(end)
      if (tag === B(2)) this.#span(cursor.block(end), resource)
      else if (tag === B(1)) this.#scope(cursor.block(end))
      else cursor.skip(tag, end, SCOPE_SPANS)
    }
  }

  #scope(end: number): Scope {
    const { cursor } = this
    let [name, version] = ['', '']
    while (cursor.at < end) {
      const tag = cursor.tag(end)
      if (tag === B(1)) name = cursor.text(end)
      else if (tag === B(2)) version = cursor.text(end)
      else if (tag === B(3)) this.#attribute(cursor.block(end), new Map())
      else cursor.skip(tag, end, SCOPE)
    }
    return { name, version }
  }

  #attribute(end: number, into: Fields): void {
    readAttribute(this.cursor, end, into, this.#budget)
  }

  #span(end: number, resource: Attributes, scope?: Scope): void {
    const { cursor } = this
    const start = cursor.at
    let attributes = NO_FIELDS
    let events = NO_EVENTS as SpanEvent[]
    let links = NO_LINKS as SpanLink[]
    let [traceId, spanId, parentSpanId, traceState, name] = ['', '', '', '', '']
    let [startNs, endNs] = [0n, 0n]
    let [kind, flags] = [0, 0]
    let status = UNSET
    while (cursor.at < end) {
      const tag = cursor.tag(end)
      if (tag === B(9)) {
        // Most empty spans are hostile: they share one map.
        if (attributes === NO_FIELDS) attributes = new Map()
        this.#attribute(cursor.block(end), attributes)
      } else if (tag === B(1)) traceId = cursor.hex(end)
      else if (tag === B(2)) spanId = cursor.hex(end)
      else if (tag === B(3)) traceState = cursor.text(end)
      else if (tag === B(4)) parentSpanId = cursor.hex(end)
      else if (tag === B(5)) name = cursor.text(end)
      else if (tag === tagOf(6, VARINT)) kind = cursor.uint32(end)
      else if (tag === TIME_7) startNs = cursor.fixed64(end)
      else if (tag === TIME_8) endNs = cursor.fixed64(end)
      else if (tag === B(11)) {
        if (events === NO_EVENTS) events = []
        events.push(this.#event(cursor.block(end)))
      } else if (tag === B(13)) {
        if (links === NO_LINKS) links = []
        links.push(this.#link(cursor.block(end)))
      } else if (tag === B(15)) status = this.#status(cursor.block(end))
      else if (tag === tagOf(16, FIXED32)) flags = cursor.fixed32(end)
      else cursor.skip(tag, end, SPAN)
    }
    if (cursor.fault !== undefined) return
    if (!isId(traceId, 32) || !isId(spanId, 16) || (parentSpanId !== '' && parentSpanId.length !== 16)) {
      this.rejected++
      return
    }
    if (this.spans.length >= MAX_SPANS) {
      cursor.fail(start, `more than ${MAX_SPANS} spans`)
      return
    }
    // Some senders write a root's parent as zeros.
    if (!isId(parentSpanId, 16)) parentSpanId = ''
    // Without `...`, which costs more here than reading the span.
    const span: Growing = {
      traceId,
      spanId,
      parentSpanId,
      traceState,
      name,
      kind: SPAN_KINDS[kind] ?? 'unspecified',
      startNs,
      endNs,
      attributes,
      events,
      links,
      status,
      flags,
      resource,
      wireBytes: end - start,
    }
    if (scope !== undefined) span.scope = scope
    this.spans.push(span)
  }

  #event(end: number): SpanEvent {
    const { cursor } = this
    let attributes = NO_FIELDS
    let timeNs = 0n
    let name = ''
    spend(cursor, this.#budget)
    while (cursor.at < end) {
      const tag = cursor.tag(end)
      if (tag === TIME_1) timeNs = cursor.fixed64(end)
      else if (tag === B(2)) name = cursor.text(end)
      else if (tag === B(3)) {
        if (attributes === NO_FIELDS) attributes = new Map()
        this.#attribute(cursor.block(end), attributes)
      } else cursor.skip(tag, end, EVENT)
    }
    return { timeNs, name, attributes }
  }

  #link(end: number): SpanLink {
    const { cursor } = this
    let attributes = NO_FIELDS
    let traceId = ''
    let spanId = ''
    spend(cursor, this.#budget)
    while (cursor.at < end) {
      const tag = cursor.tag(end)
      if (tag === B(1)) traceId = cursor.hex(end)
      else if (tag === B(2)) spanId = cursor.hex(end)
      else if (tag === B(4)) {
        if (attributes === NO_FIELDS) attributes = new Map()
        this.#attribute(cursor.block(end), attributes)
      } else cursor.skip(tag, end, LINK)
    }
    return { traceId, spanId, attributes }
  }

  #status(end: number): ReceivedSpan['status'] {
    const { cursor } = this
    let code: StatusCode = 'unset'
    let message = ''
    while (cursor.at < end) {
      const tag = cursor.tag(end)
      if (tag === B(2)) message = cursor.text(end)
      else if (tag === tagOf(3, VARINT)) code = STATUS_CODES[cursor.uint32(end)] ?? 'unset'
      else cursor.skip(tag, end, STATUS)
    }
    return { code, message }
  }
}

/** W3C Trace Context §3.2.2: the right length, and not all zeros. */
function isId(hex: string, digits: number): boolean {
  return hex.length === digits && !/^0+$/.test(hex)
}
