/**
 * Spans by trace until it goes quiet, as little of them as diagnosis needs. Under a flood some of the traces, by their
 * id, so that those that are taken are whole. A span that comes later is seen in its whole trace all the same.
 */
import { type SegmentView, TRY } from '../intake/segment.ts'
import { PhaseScan, type Rare } from './phase-scan.ts'

export interface SpanFacts {
  /** 52 bits of the ids: enough within a trace. */
  readonly id: number
  readonly parentId: number
  readonly startUs: number
  readonly durationUs: number
  /** Names by number. */
  readonly service: number
  readonly route: number
  readonly peer: number
  readonly error: number
  readonly http: number
  readonly kind: number
  readonly failed: boolean
  readonly ours: boolean
  /** One of several tries of the exchange above it, whose callee stands beneath this one. */
  readonly isTry?: boolean
  readonly phases: readonly number[]
  /** Name of the host, 0 where not known. */
  readonly host: number
  /** Segments that were sent again. */
  readonly resent: number
  /** Of the larger body. */
  readonly bytes: number
  readonly rare: Rare | undefined
  /** How many spans it stands for; 0: it completes its trace, and counts for none. 1 where nothing is said. */
  readonly weight?: number
  /** It was counted in an earlier look at its trace. */
  counted: boolean
  /** Number of the failure that it was counted with, 0 for none. */
  failure: number
}

export interface QuietTrace {
  /** Words of the id. */
  readonly words: Uint32Array
  readonly spans: SpanFacts[]
}

interface Growing extends QuietTrace {
  lastS: number
}

const CLIENT = 3
const MAX_TRACES = 20_000
const MAX_SPANS = 512
/** Spans of all traces. */
const MAX_HELD = 200_000
/** Spans taken a second. */
const SPANS_A_SECOND = 4096
const QUIET_S = 0.6
/** The same while spans are missing, at least and at most: as long as spans keep coming after that it grows. */
const INCOMPLETE_S = 2.2
const INCOMPLETE_MOST_S = 6.5
const LONGER_S = 0.25
const SHORTER_S = 0.02
const KEPT_S = 25
const NO_PHASES: readonly number[] = []

export class TraceWindow {
  /** Traces with spans that were not looked at, by time of their last span. */
  readonly #open = new Map<number, Growing>()
  /** Those that were and lacked parents, for what comes late. */
  readonly #done = new Map<number, Growing>()
  readonly #scan = new PhaseScan()
  /** Traces whose id has a bit of this set are passed over. */
  #mask = 0
  #rowsOfSecond = 0
  #second = 0
  #incompleteS = INCOMPLETE_S
  #held = 0
  /** Traces that found no room. */
  dropped = 0
  readonly #expects: (peer: number) => boolean

  /** `expects`: whether a call to an address has a span of the other side. Proxies send theirs a second apart. */
  constructor(expects: (peer: number) => boolean) {
    this.#expects = expects
  }

  /** Rows from `from` on, up to `rows`. */
  add(view: SegmentView, rows: number, nowS: number, from = 0): void {
    this.#pace(rows - from, nowS)
    const mask = this.#mask
    for (let row = from; row < rows; row++) {
      if (view.duplicate[row] === 1 || (mask !== 0 && (mixed(view.trace[row * 4 + 3]!) & mask) !== 0)) continue
      this.#take(view, row, nowS)
    }
  }

  /** Traces of which nothing came for a while. */
  *quiet(nowS: number): Generator<QuietTrace> {
    for (const [key, trace] of this.#open) {
      const idleS = nowS - trace.lastS
      if (idleS < QUIET_S) continue
      const whole = this.#isWhole(trace.spans)
      if (idleS < this.#incompleteS && !whole) continue
      this.#open.delete(key)
      // A parent that is to come would be given the time of its children, were they forgotten; and what explains a failure
      // may come late: a proxy goes on dialling when its client has left.
      if (whole && !trace.spans.some(({ failed }) => failed)) this.#held -= trace.spans.length
      else this.#done.set(key, trace)
      yield trace
    }
    for (const [key, trace] of this.#done) {
      if (nowS - trace.lastS < KEPT_S && this.#done.size < MAX_TRACES) break
      this.#done.delete(key)
      this.#held -= trace.spans.length
    }
  }

  /** Share of all traces that is looked at, as one of so many. */
  get oneOf(): number {
    return this.#mask + 1
  }

  /** Every parent that is named is here, and the other side of every call that has one. */
  #isWhole(spans: readonly SpanFacts[]): boolean {
    const ids = new Set<number>()
    const parents = new Set<number>()
    for (const { id, parentId } of spans) {
      ids.add(id)
      parents.add(parentId)
    }
    for (const { id, parentId, kind, peer } of spans) {
      if (parentId !== 0 && !ids.has(parentId)) return false
      if (kind === CLIENT && peer !== 0 && !parents.has(id) && this.#expects(peer)) return false
    }
    return true
  }

  #pace(rows: number, nowS: number): void {
    const second = Math.floor(nowS)
    if (second !== this.#second) {
      this.#rowsOfSecond = 0
      this.#incompleteS = Math.max(INCOMPLETE_S, this.#incompleteS - SHORTER_S)
      this.#second = second
    }
    this.#rowsOfSecond += rows
    let mask = 0
    while (this.#rowsOfSecond / (mask + 1) > SPANS_A_SECOND && mask < 1023) mask = mask * 2 + 1
    // Down again slowly: else the traces of one second would be cut in two by the next.
    this.#mask = mask >= this.#mask ? mask : rows * 4 < SPANS_A_SECOND * this.#mask ? this.#mask >> 1 : this.#mask
  }

  #take(view: SegmentView, row: number, nowS: number): void {
    const at = row * 4
    const key = keyAt(view.trace, at)
    const trace = this.#traceOf(key, view, at, nowS)
    if (trace === undefined || trace.spans.length >= MAX_SPANS) return
    const id = idAt(view.span, row)
    const parentId = idAt(view.parent, row)
    const isTry = view.direction[row] === TRY
    const ours = view.direction[row] !== 0 && !isTry
    if (ours) this.#scan.scan(view.raw, view.spanAt[row]!, view.spanEnd[row]!)
    trace.lastS = nowS
    this.#held++
    // Written out: this is done for each span.
    trace.spans.push({
      id,
      parentId,
      startUs: (view.start[row * 2 + 1]! * 0x100000000 + view.start[row * 2]!) / 1000,
      durationUs: view.duration[row]!,
      service: view.service[row]!,
      route: view.route[row]!,
      peer: view.peer[row]!,
      error: view.error[row]!,
      http: view.http[row]!,
      kind: view.kind[row]!,
      failed: view.status[row] === 2,
      ours,
      isTry,
      phases: ours ? this.#scan.values : NO_PHASES,
      host: view.host[row]!,
      resent: ours ? this.#scan.resent : 0,
      bytes: ours ? this.#scan.bytes : 0,
      rare: ours ? this.#scan.rare : undefined,
      weight: view.weight[row]!,
      counted: false,
      failure: 0,
    })
  }

  #traceOf(key: number, view: SegmentView, at: number, nowS: number): Growing | undefined {
    const known = this.#open.get(key)
    if (known !== undefined) return known
    const late = this.#done.get(key)
    if (late !== undefined) {
      this.#done.delete(key)
      this.#incompleteS = Math.min(INCOMPLETE_MOST_S, this.#incompleteS + LONGER_S)
    }
    if (late === undefined && (this.#open.size >= MAX_TRACES || this.#held >= MAX_HELD)) {
      this.dropped++
      return undefined
    }
    const trace: Growing = late ?? { words: view.trace.slice(at, at + 4), spans: [], lastS: nowS }
    this.#open.set(key, trace)
    return trace
  }
}

/** Digits of ids that count up are in the byte that comes last on the wire, the highest of the word. */
const mixed = (word: number): number => word ^ (word >>> 8) ^ (word >>> 16) ^ (word >>> 24)

/** 52 bits of a trace id, its last word among them whole. */
function keyAt(trace: Uint32Array, at: number): number {
  const high = (trace[at]! ^ trace[at + 3]!) >>> 0
  return high * 0x100000 + ((trace[at + 1]! ^ trace[at + 2]! ^ (trace[at]! >>> 12)) & 0xfffff)
}

/** All of the half that comes last on the wire, where senders that count have their digits, and 20 bits of the other. */
function idAt(ids: Uint32Array, row: number): number {
  const first = ids[row * 2]!
  return ids[row * 2 + 1]! * 0x100000 + ((first ^ (first >>> 12)) & 0xfffff)
}
