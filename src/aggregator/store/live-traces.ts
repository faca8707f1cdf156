/** Traces as they come and go quiet, for the live tail: a line each, not their spans. */
import type { Names } from '../intake/names.ts'
import type { SegmentView } from '../intake/segment.ts'
import type { LiveTrace } from './protocol.ts'

const MAX_TRACES = 20_000
/** Lines handed on at once; failed traces go first. */
const MAX_LINES = 50
const SERVER = 2
/** Segments with more rows give one of 32 traces to the tail. */
const MANY_ROWS = 8192

interface Growing {
  lastMs: number
  startUs: number
  endUs: number
  spans: number
  errors: number
  rootSeen: boolean
  /** Row facts of the root, or of the earliest span so far. */
  service: number
  name: number
  route: number
  http: number
  headUs: number
  readonly services: Set<number>
  readonly ids: Set<number>
  readonly parents: Set<number>
}

export class LiveTraces {
  readonly #names: Names
  readonly #quietMs: number
  readonly #traces = new Map<string, Growing>()

  constructor(names: Names, quietMs: number) {
    this.#names = names
    this.#quietMs = quietMs
  }

  add(view: SegmentView, rows: number, nowMs: number): void {
    const mask = rows > MANY_ROWS ? 31 : 0
    for (let row = 0; row < rows; row++) {
      if (view.duplicate[row] === 1) continue
      const at = row * 4
      if ((view.trace[at + 3]! & mask) !== 0) continue
      // A key that is cheap to make; the real id is written out for the few lines that are shown.
      const key = String.fromCharCode(
        view.trace[at]! & 0xffff,
        view.trace[at]! >>> 16,
        view.trace[at + 1]! & 0xffff,
        view.trace[at + 1]! >>> 16,
        view.trace[at + 2]! & 0xffff,
        view.trace[at + 2]! >>> 16,
        view.trace[at + 3]! & 0xffff,
        view.trace[at + 3]! >>> 16,
      )
      let trace = this.#traces.get(key)
      if (trace === undefined) {
        // Under a flood the tail shows some of the traces, which is all that eyes can take.
        if (this.#traces.size >= MAX_TRACES) continue
        trace = begin()
        this.#traces.set(key, trace)
      }
      this.#grow(trace, view, row, nowMs)
    }
  }

  #grow(trace: Growing, view: SegmentView, row: number, nowMs: number): void {
    const startUs = (view.start[row * 2 + 1]! * 0x100000000 + view.start[row * 2]!) / 1000
    const isRoot = view.parent[row * 2] === 0 && view.parent[row * 2 + 1] === 0
    trace.lastMs = nowMs
    trace.spans++
    if (view.status[row] === 2) trace.errors++
    if (startUs < trace.startUs) trace.startUs = startUs
    trace.endUs = Math.max(trace.endUs, startUs + view.duration[row]!)
    if (trace.services.size < 32) trace.services.add(view.service[row]!)
    if (trace.ids.size < 512) {
      trace.ids.add(view.span[row * 2]! + view.span[row * 2 + 1]! * 0x100000)
      if (!isRoot) trace.parents.add(view.parent[row * 2]! + view.parent[row * 2 + 1]! * 0x100000)
    }
    if ((isRoot && !trace.rootSeen) || (!trace.rootSeen && startUs < trace.headUs)) {
      trace.rootSeen ||= isRoot
      trace.headUs = startUs
      trace.service = view.service[row]!
      trace.name = view.name[row]!
      trace.route = view.route[row]!
      trace.http = view.http[row]!
    } else if (trace.http === 0 && view.kind[row] === SERVER) trace.http = view.http[row]!
  }

  /** Those that went quiet; they are forgotten. */
  takeQuiet(nowMs: number): LiveTrace[] {
    const lines: LiveTrace[] = []
    for (const [key, trace] of this.#traces) {
      if (nowMs - trace.lastMs < this.#quietMs) continue
      this.#traces.delete(key)
      lines.push(this.#line(key, trace))
    }
    if (lines.length <= MAX_LINES) return lines
    return lines.sort((a, b) => b.errors - a.errors || b.durationUs - a.durationUs).slice(0, MAX_LINES)
  }

  #line(key: string, trace: Growing): LiveTrace {
    const names = this.#names
    let missing = 0
    for (const parent of trace.parents) if (!trace.ids.has(parent)) missing++
    return {
      traceId: Buffer.from(key, 'utf16le').toString('hex'),
      service: names.text(trace.service),
      name: names.text(trace.name),
      route: names.text(trace.route),
      startUs: trace.startUs,
      durationUs: trace.endUs - trace.startUs,
      spans: trace.spans,
      errors: trace.errors,
      http: trace.http,
      services: [...trace.services].map((id) => names.text(id)),
      state: missing > 0 ? 'gaps' : trace.rootSeen ? 'complete' : 'rootless',
    }
  }
}

function begin(): Growing {
  return {
    ...{ lastMs: 0, startUs: Number.POSITIVE_INFINITY, endUs: 0, spans: 0, errors: 0, rootSeen: false },
    ...{ service: 0, name: 0, route: 0, http: 0, headUs: Number.POSITIVE_INFINITY },
    ...{ services: new Set<number>(), ids: new Set<number>(), parents: new Set<number>() },
  }
}
