/**
 * ExportTraceServiceRequest (opentelemetry-proto 1.x) → rows of a segment. The whole structure is checked, as a full
 * decoder would: what is accepted here can be read at any later time. Values stay where they are in the raw bytes, but
 * for the few that have a column.
 */
import { httpStatusOf } from '../http-status.ts'
import { MAX_SPANS, MAX_VALUES } from '../otlp-decode.ts'
import { EVENT, LINK, REQUEST, RESOURCE, RESOURCE_SPANS, SCOPE, SCOPE_SPANS, SPAN, STATUS } from '../otlp-fields.ts'
import { AdjustedCounts, countAt } from '../sampling/adjusted-count.ts'
import type { WireFault } from '../wire-cursor.ts'
import { AttributeScan } from './attribute-scan.ts'
import { type Known, RESOURCE_ATTRIBUTES, SPAN_ATTRIBUTES } from './known-attributes.ts'
import { hashOf, type Names } from './names.ts'
import { pathOfUrl, routeBytes, routeOfPath } from './route-of-path.ts'
import { SEGMENT_ROWS, SEGMENT_SCOPES, type SegmentView, TRY } from './segment.ts'
import { copyWords, isZero, microsBetween } from './wire-words.ts'

/** ScopeSpans of one request. */
export const MAX_SCOPES = 16_384

const DIRECTIONS = new Map([
  [7, 1], // inbound
  [8, 2], // outbound
  [4, 3], // edge
])

const HOST_RANKS: Partial<Record<Known, number>> = { hostId: 5, node: 4, hostName: 3, instance: 2, service: 1 }

/** What a request came to. */
export interface Scanned {
  readonly fault: WireFault | undefined
  readonly rows: number
  readonly scopes: number
  /** Spans left out since their ids are no ids. */
  readonly rejected: number
}

export class SpanScan extends AttributeScan {
  readonly #names: Names
  #view!: SegmentView
  #row = 0
  #firstRow = 0
  #scope = 0
  #firstScope = 0
  #rejected = 0
  #service = 0
  #host = 0
  #hostRank = 0
  #resourceAt = 0
  #resourceEnd = 0
  #frameAt = 0
  #received = 0
  #routeRank = 0
  readonly #counts = new AdjustedCounts()
  #recorded = false
  /** What the span says itself, -1 where it does not. */
  #count = -1

  constructor(names: Names) {
    super()
    this.#names = names
  }

  /**
   * Scan the request at `start` … `end` of the segment's raw part, and write its rows and scopes from the given ones on.
   * They count only if the caller says so.
   */
  scan(
    view: SegmentView,
    place: { frameAt: number; start: number; end: number; row: number; scope: number; received: number },
  ): Scanned {
    this.#view = view
    this.bytes = view.raw
    this.at = place.start
    this.origin = place.start
    this.fault = undefined
    this.values = MAX_VALUES
    this.#row = this.#firstRow = place.row
    this.#scope = this.#firstScope = place.scope
    this.#rejected = 0
    this.#frameAt = place.frameAt
    this.#received = place.received
    while (this.at < place.end) {
      const tag = this.tag(place.end)
      if (tag === 0x0a) this.#resourceSpans(this.block(place.end))
      else this.skip(tag, place.end, REQUEST)
    }
    const { fault } = this
    return { fault, rows: this.#row - place.row, scopes: this.#scope - place.scope, rejected: this.#rejected }
  }

  #resourceSpans(end: number): void {
    const start = this.at
    this.#service = 0
    this.#host = 0
    this.#hostRank = 0
    this.#resourceAt = 0
    this.#resourceEnd = 0
    this.spend()
    // The resource may stand behind its spans: it is looked for first.
    let scopes = 0
    while (this.at < end) {
      const tag = this.tag(end)
      if (tag === 0x0a) this.#resource(this.block(end))
      else if (tag === 0x12) {
        const stop = this.block(end)
        if (this.fault === undefined) this.at = stop
        scopes++
      } else this.skip(tag, end, RESOURCE_SPANS)
    }
    if (this.fault !== undefined || scopes === 0) return
    this.at = start
    while (this.at < end) {
      const tag = this.tag(end)
      if (tag === 0x12) this.#scopeSpans(this.block(end))
      else {
        const stop = tag === 0x0a ? this.block(end) : 0
        if (tag === 0x0a) this.at = stop
        else this.skip(tag, end, RESOURCE_SPANS)
      }
    }
  }

  #resource(end: number): void {
    this.#resourceAt = this.at
    this.#resourceEnd = end
    while (this.at < end) {
      const tag = this.tag(end)
      if (tag !== 0x0a) {
        this.skip(tag, end, RESOURCE)
        continue
      }
      const known = this.attribute(this.block(end), RESOURCE_ATTRIBUTES)
      if (known === undefined || this.textEnd === 0) continue
      const id = this.#names.idOf(this.bytes, this.textAt, this.textEnd)
      if (known === 'service') this.#service = id
      const rank = HOST_RANKS[known] ?? 0
      if (rank <= this.#hostRank) continue
      this.#hostRank = rank
      this.#host = id
    }
  }

  #scopeSpans(end: number): void {
    if (this.fault !== undefined) return
    const scope = this.#scope
    if (scope - this.#firstScope >= MAX_SCOPES || scope >= SEGMENT_SCOPES) {
      this.fail(this.at, `more than ${MAX_SCOPES} scopes`)
      return
    }
    const view = this.#view
    const start = this.at
    view.resourceAt[scope] = this.#resourceAt
    view.resourceEnd[scope] = this.#resourceEnd
    view.scopeAt[scope] = 0
    view.scopeEnd[scope] = 0
    view.frameAt[scope] = this.#frameAt
    this.#scope = scope + 1
    this.at = start
    while (this.at < end) {
      const tag = this.tag(end)
      if (tag === 0x12) this.#span(this.block(end), scope)
      else if (tag === 0x0a) {
        const stop = this.block(end)
        view.scopeAt[scope] = this.at
        view.scopeEnd[scope] = stop
        this.#message(stop, SCOPE, 0x1a)
      } else this.skip(tag, end, SCOPE_SPANS)
    }
  }

  /** A message of texts and attributes whose values nobody wants now. */
  #message(end: number, names: Readonly<Record<number, string>>, attributesTag: number): void {
    while (this.at < end) {
      const tag = this.tag(end)
      if (tag === attributesTag) this.attribute(this.block(end), undefined)
      else if (tag === 0x09 && names === EVENT) this.take(8, end)
      else if (tag === 0x12 || (tag === 0x0a && names !== EVENT)) this.to(this.block(end))
      else this.skip(tag, end, names)
    }
  }

  #span(end: number, scope: number): void {
    if (this.fault !== undefined) return
    const view = this.#view
    const { bytes } = this
    const row = this.#row
    const start = this.at
    if (row >= SEGMENT_ROWS || row - this.#firstRow >= MAX_SPANS) {
      this.fail(start, `more than ${MAX_SPANS} spans`)
      return
    }
    let [traceAt, spanAt, parentAt, parentLength, nameAt, nameEnd, startAt, endAt] = [-1, -1, -1, 0, 0, 0, -1, -1]
    let [traceLength, spanLength, kind, stateAt, stateEnd] = [0, 0, 0, 0, 0]
    this.#clearRow(row)
    while (this.at < end) {
      const tag = this.tag(end)
      switch (tag) {
        case 0x4a: // attributes
          this.#spanAttribute(this.block(end), row)
          break
        case 0x0a: {
          const stop = this.block(end)
          traceAt = this.at
          traceLength = stop - traceAt
          this.to(stop)
          break
        }
        case 0x12: {
          const stop = this.block(end)
          spanAt = this.at
          spanLength = stop - spanAt
          this.to(stop)
          break
        }
        case 0x22: {
          const stop = this.block(end)
          parentAt = this.at
          parentLength = stop - parentAt
          this.to(stop)
          break
        }
        case 0x1a:
          stateEnd = this.block(end)
          stateAt = this.at
          this.to(stateEnd)
          break
        case 0x2a: {
          nameEnd = this.block(end)
          nameAt = this.at
          this.to(nameEnd)
          break
        }
        case 0x30:
          kind = this.varint(end)
          break
        case 0x39:
          startAt = this.take(8, end)
          break
        case 0x41:
          endAt = this.take(8, end)
          break
        case 0x5a:
          this.spend()
          this.#message(this.block(end), EVENT, 0x1a)
          break
        case 0x6a:
          this.spend()
          this.#message(this.block(end), LINK, 0x22)
          break
        case 0x7a:
          this.#status(this.block(end), row)
          break
        case 0x85:
          this.take(4, end)
          break
        default:
          this.skip(tag, end, SPAN)
      }
    }
    if (this.fault !== undefined) return
    if (
      traceLength !== 16 ||
      spanLength !== 8 ||
      (parentLength !== 0 && parentLength !== 8) ||
      isZero(bytes, traceAt, 16) ||
      isZero(bytes, spanAt, 8)
    ) {
      this.#rejected++
      return
    }
    view.spanAt[row] = start
    view.spanEnd[row] = end
    view.scope[row] = scope
    copyWords(bytes, traceAt, view.trace, row * 4, 4)
    copyWords(bytes, spanAt, view.span, row * 2, 2)
    if (parentLength === 8) copyWords(bytes, parentAt, view.parent, row * 2, 2)
    if (startAt >= 0) copyWords(bytes, startAt, view.start, row * 2, 2)
    view.duration[row] = startAt < 0 || endAt < 0 ? 0 : microsBetween(bytes, startAt, endAt)
    view.kind[row] = kind > 5 ? 0 : kind
    view.service[row] = this.#service
    view.host[row] = this.#host
    view.name[row] = this.#names.idOf(bytes, nameAt, nameEnd)
    view.received[row] = this.#received
    view.weight[row] =
      this.#count >= 0 ? this.#count : this.#counts.of(bytes, stateAt, stateEnd, traceAt + 9, this.#recorded)
    if (view.route[row] === 0) view.route[row] = view.name[row]!
    if (view.direction[row] === TRY) view.peer[row] = 0
    this.#row = row + 1
  }

  #clearRow(row: number): void {
    const view = this.#view
    this.#routeRank = 0
    this.#recorded = false
    this.#count = -1
    const two = row * 2
    view.parent[two] = view.parent[two + 1] = 0
    view.start[two] = view.start[two + 1] = 0
    view.requestId[two] = view.requestId[two + 1] = 0
    view.idempotencyKey[two] = view.idempotencyKey[two + 1] = 0
    view.route[row] = view.peer[row] = view.error[row] = view.outcome[row] = 0
    view.http[row] = view.status[row] = view.direction[row] = view.duplicate[row] = 0
  }

  #status(end: number, row: number): void {
    while (this.at < end) {
      const tag = this.tag(end)
      if (tag === 0x18) {
        const code = this.varint(end)
        this.#view.status[row] = code > 2 ? 0 : code
      } else if (tag === 0x12) this.to(this.block(end))
      else this.skip(tag, end, STATUS)
    }
  }

  #spanAttribute(end: number, row: number): void {
    const known = this.attribute(end, SPAN_ATTRIBUTES)
    if (known === undefined) return
    const view = this.#view
    if (known === 'http') {
      view.http[row] = this.textEnd === 0 ? httpStatusOf(this.integer) : 0
      return
    }
    if (known === 'attempt') {
      view.direction[row] = TRY
      return
    }
    if (known === 'recorded') {
      this.#recorded = true
      return
    }
    if (known === 'count') {
      if (this.doubleAt >= 0) this.#count = countAt(this.bytes, this.doubleAt)
      return
    }
    const [at, stop] = [this.textAt, this.textEnd]
    if (stop <= at) return
    switch (known) {
      case 'route':
        this.#setRoute(row, 4, at, stop)
        break
      case 'template':
        this.#setRoute(row, 3, at, stop)
        break
      case 'path':
        this.#guessRoute(row, 2, at, stop)
        break
      case 'url':
        this.#guessRoute(row, 1, pathOfUrl(this.bytes, at, stop), stop)
        break
      case 'peer':
        view.peer[row] = this.#names.idOf(this.bytes, at, stop)
        break
      case 'code':
        view.error[row] = this.#names.idOf(this.bytes, at, stop)
        break
      case 'error':
        if (view.error[row] === 0) view.error[row] = this.#names.idOf(this.bytes, at, stop)
        break
      case 'outcome':
        view.outcome[row] = this.#names.idOf(this.bytes, at, stop)
        break
      case 'requestId':
        putHash(this.bytes, at, stop, view.requestId, row * 2)
        break
      case 'key':
        putHash(this.bytes, at, stop, view.idempotencyKey, row * 2)
        break
      case 'direction':
        view.direction[row] = DIRECTIONS.get(stop - at) ?? 0
        break
    }
  }

  #setRoute(row: number, rank: number, at: number, end: number): void {
    if (rank <= this.#routeRank) return
    this.#routeRank = rank
    this.#view.route[row] = this.#names.idOf(this.bytes, at, end)
  }

  #guessRoute(row: number, rank: number, at: number, end: number): void {
    if (rank <= this.#routeRank || end <= at) return
    this.#routeRank = rank
    this.#view.route[row] = this.#names.idOf(routeBytes, 0, routeOfPath(this.bytes, at, end))
  }
}

const SECOND_SEED = 0x9747b28c

/** 64 bits that stand for a text; never 0, which means none. */
export function putHash(bytes: Uint8Array, at: number, end: number, to: Uint32Array, index: number): void {
  to[index] = hashOf(bytes, at, end) | 1
  to[index + 1] = hashOf(bytes, at, end, SECOND_SEED)
}
