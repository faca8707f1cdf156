/**
 * A segment without the spans that are not stored: the same requests written anew with what is left of them, and its
 * columns. A span that stands for others of its kind is given an attribute that says for how many, so that what is read
 * back from the raw bytes, or goes to ClickHouse, can be weighed as well.
 */
import { varintLength, writeVarint } from '../../core/protobuf.ts'
import {
  allocateSegment,
  FRAME_HEADER_BYTES,
  SEGMENT_BYTES,
  type SegmentExtent,
  SegmentView,
} from '../intake/segment.ts'
import { sealFrame } from '../intake/wal.ts'

export const COUNT_ATTRIBUTE = 'hopscope.adjusted_count'

/** Span.attributes = 9: KeyValue { key = 1, value = 2: AnyValue { double_value = 4 } }; the value stands at its end. */
const COUNT_FIELD = Buffer.concat([
  Buffer.from([0x4a, COUNT_ATTRIBUTE.length + 13, 0x0a, COUNT_ATTRIBUTE.length]),
  Buffer.from(COUNT_ATTRIBUTE),
  Buffer.from([0x12, 0x09, 0x21, 0, 0, 0, 0, 0, 0, 0, 0]),
])
/** With the bytes by which lengths around it may grow. */
const COUNT_ROOM = COUNT_FIELD.length + 8

/** Columns that are copied as they are, and how many items a row has. */
const COPIED = [
  ...([
    ['trace', 4],
    ['span', 2],
    ['parent', 2],
    ['start', 2],
    ['requestId', 2],
    ['idempotencyKey', 2],
  ] as const),
  ...([
    ['duration', 1],
    ['received', 1],
    ['service', 1],
    ['host', 1],
    ['name', 1],
    ['route', 1],
    ['peer', 1],
  ] as const),
  ...([
    ['error', 1],
    ['outcome', 1],
    ['http', 1],
    ['kind', 1],
    ['status', 1],
    ['direction', 1],
  ] as const),
] as const

export interface Thinned {
  readonly view: SegmentView
  readonly extent: SegmentExtent
  /** Spans that were left out. */
  readonly dropped: number
}

export class Thinner {
  readonly #view = new SegmentView(allocateSegment())
  #at = 0
  #row = 0
  #scope = 0
  #room = 0

  /**
   * `countOf` says for how many like it the span at a row of `view` stands beyond what it says itself, 0: it is left out.
   * What is given is valid until the next call.
   */
  thin(view: SegmentView, extent: SegmentExtent, countOf: (row: number) => number): Thinned {
    const counts = new Float64Array(extent.rows)
    let [kept, spans] = [0, 0]
    for (let row = 0; row < extent.rows; row++) {
      if (view.duplicate[row] === 1) continue
      spans++
      counts[row] = countOf(row)
      if (counts[row]! > 0) kept++
    }
    this.#at = this.#row = this.#scope = 0
    this.#room = SEGMENT_BYTES - extent.bytes
    let row = 0
    while (row < extent.rows) row = this.#frame(view, extent, counts, row)
    const { sequence, baseMs } = extent
    return {
      view: this.#view,
      extent: { sequence, baseMs, bytes: this.#at, rows: this.#row, scopes: this.#scope },
      dropped: spans - kept,
    }
  }

  /** The request that the span at `first` came with; gives the first row of the next. */
  #frame(view: SegmentView, extent: SegmentExtent, counts: Float64Array, first: number): number {
    const frame = view.frameAt[view.scope[first]!]!
    const start = this.#at
    this.#at += FRAME_HEADER_BYTES
    let row = first
    while (row < extent.rows && view.frameAt[view.scope[row]!] === frame) {
      row = this.#resource(view, extent, counts, row, frame, start)
    }
    const payload = this.#at - start - FRAME_HEADER_BYTES
    if (payload === 0) this.#at = start
    else sealFrame(this.#view.raw, start, payload, extent.baseMs + view.received[first]!)
    return row
  }

  /** Spans of one resource that stand together, as one ResourceSpans; gives the row behind them. */
  #resource(
    view: SegmentView,
    extent: SegmentExtent,
    counts: Float64Array,
    first: number,
    frame: number,
    frameStart: number,
  ): number {
    const resource = view.resourceAt[view.scope[first]!]!
    const [resourceEnd, scopes] = [view.resourceEnd[view.scope[first]!]!, [] as Scope[]]
    let row = first
    while (row < extent.rows) {
      const scope = view.scope[row]!
      if (view.frameAt[scope] !== frame || view.resourceAt[scope] !== resource) break
      const one: Scope = { scope, rows: [], bytes: fieldBytes(view.scopeAt[scope]!, view.scopeEnd[scope]!) }
      for (; row < extent.rows && view.scope[row] === scope; row++) {
        if (counts[row] === 0) continue
        const added = this.#countBytes(counts[row]!)
        const length = view.spanEnd[row]! - view.spanAt[row]! + added
        one.rows.push({ row, length, counted: added > 0 })
        one.bytes += 1 + varintLength(length) + length
      }
      if (one.rows.length > 0) scopes.push(one)
    }
    if (scopes.length === 0) return row
    let bytes = fieldBytes(resource, resourceEnd)
    for (const { bytes: inner } of scopes) bytes += 1 + varintLength(inner) + inner
    this.#tag(0x0a, bytes)
    const resourceAt = this.#copy(view, 0x0a, resource, resourceEnd)
    for (const one of scopes) this.#scopeSpans(view, counts, one, frameStart, resourceAt, resourceEnd - resource)
    return row
  }

  #scopeSpans(
    view: SegmentView,
    counts: Float64Array,
    { scope, rows, bytes }: Scope,
    frameStart: number,
    resourceAt: number,
    resourceBytes: number,
  ): void {
    const to = this.#view
    const index = this.#scope++
    this.#tag(0x12, bytes)
    to.frameAt[index] = frameStart
    to.resourceAt[index] = resourceAt
    to.resourceEnd[index] = resourceAt === 0 ? 0 : resourceAt + resourceBytes
    const scopeAt = this.#copy(view, 0x0a, view.scopeAt[scope]!, view.scopeEnd[scope]!)
    to.scopeAt[index] = scopeAt
    to.scopeEnd[index] = scopeAt === 0 ? 0 : scopeAt + view.scopeEnd[scope]! - view.scopeAt[scope]!
    for (const { row, length, counted } of rows) this.#span(view, row, index, length, counted, counts[row]!)
  }

  #span(view: SegmentView, row: number, scope: number, length: number, counted: boolean, count: number): void {
    const to = this.#view
    const own = this.#row++
    const weight = view.weight[row]! * count
    this.#tag(0x12, length)
    to.spanAt[own] = this.#at
    to.raw.set(view.raw.subarray(view.spanAt[row]!, view.spanEnd[row]!), this.#at)
    this.#at += view.spanEnd[row]! - view.spanAt[row]!
    if (counted) {
      to.raw.set(COUNT_FIELD, this.#at)
      this.#at += COUNT_FIELD.length
      to.raw.writeDoubleLE(weight, this.#at - 8)
    }
    to.spanEnd[own] = this.#at
    to.scope[own] = scope
    to.duplicate[own] = 0
    to.weight[own] = weight
    for (const [name, items] of COPIED) {
      const [from, into] = [view[name], to[name]]
      for (let i = 0; i < items; i++) into[own * items + i] = from[row * items + i]!
    }
  }

  /** Bytes of the attribute; none where it says nothing new, or there is no room for it: the column has it then. */
  #countBytes(count: number): number {
    if (count === 1 || this.#room < COUNT_ROOM) return 0
    this.#room -= COUNT_ROOM
    return COUNT_FIELD.length
  }

  #tag(tag: number, length: number): void {
    const { raw } = this.#view
    raw[this.#at++] = tag
    this.#at = writeVarint(raw, this.#at, length)
  }

  /** Where the body of the copied field stands; 0 where there is none. */
  #copy(view: SegmentView, tag: number, at: number, end: number): number {
    if (end <= at) return 0
    this.#tag(tag, end - at)
    this.#view.raw.set(view.raw.subarray(at, end), this.#at)
    this.#at += end - at
    return this.#at - (end - at)
  }
}

interface Scope {
  readonly scope: number
  readonly rows: { readonly row: number; readonly length: number; readonly counted: boolean }[]
  /** Of its ScopeSpans. */
  bytes: number
}

const fieldBytes = (at: number, end: number): number => (end <= at ? 0 : 1 + varintLength(end - at) + end - at)
