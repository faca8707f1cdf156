/**
 * The last exchanges in full detail, for `/exchanges` and for a report when one fails. It costs the data path nothing:
 * the ring keeps what it was given until that is overwritten, so the recorder only reads backward. Failed and slow
 * exchanges are written a second time into a ring of their own, so that a flood of good ones doesn't push them out.
 */
import type { Exchange } from '../exchange/exchange.ts'
import { readCall } from './call-record.ts'
import { readFacts } from './connection-facts.ts'
import * as L from './record-layout.ts'
import { type DatedView, dated, type ExchangeView, viewExchange } from './record-view.ts'
import { type DetailRedaction, type ExchangeDetails, viewDetails } from './recorder/details.ts'
import { openRing, type RingMemory, RingWriter } from './ring.ts'
import { SpanRecorder } from './span-record.ts'
import { readTunnel } from './tunnel-record.ts'

export interface RecorderQuery {
  /** Most entries to give, newest first; default 100. */
  readonly limit?: number
  /** Only failed and slow exchanges, which are kept longer. */
  readonly failed?: boolean
  /** Only the exchange of this request id or trace id. */
  readonly id?: string
}

export type RecordedExchange = ExchangeView & ExchangeDetails
export type RecordedView = RecordedExchange | DatedView

const MAX_LIMIT = 1000

export class FlightRecorder {
  readonly #recent: SpanRecorder
  readonly #pinned: SpanRecorder
  readonly #redaction: DetailRedaction
  readonly #originUs: number

  /** `pinnedBytes` bounds the memory for failed and slow exchanges. */
  constructor(recent: SpanRecorder, pinnedBytes: number, redaction: DetailRedaction, originUs: number) {
    this.#recent = recent
    this.#pinned = new SpanRecorder(new RingWriter(openRing(pinnedBytes)), undefined, recent.sections)
    this.#redaction = redaction
    this.#originUs = originUs
  }

  /** Keep this exchange beyond the ordinary ones. */
  pin(x: Exchange, method: number, phases: Float64Array, flags: number): void {
    this.#pinned.write(x, method, phases, flags)
  }

  /** What is still known, newest first. */
  read(query: RecorderQuery = {}): RecordedView[] {
    const limit = Math.max(0, Math.min(query.limit ?? 100, MAX_LIMIT))
    const recorder = query.failed === true ? this.#pinned : this.#recent
    const matches = (view: RecordedView): boolean =>
      query.id === undefined || view.traceId === query.id || (view.kind === 'exchange' && view.requestId === query.id)
    const found: RecordedView[] = []
    // Facts stand before what refers to them, so the walk goes back first and is read forward.
    for (const { at, kind, facts } of this.#walk(recorder)) {
      if (found.length >= limit) break
      const view =
        kind === L.TUNNEL
          ? dated(readTunnel(recorder.ring.memory, at), this.#originUs)
          : kind === L.CALL
            ? dated(readCall(recorder.ring.memory, at), this.#originUs)
            : this.#exchange(recorder.ring.memory, at, facts)
      if (matches(view)) found.push(view)
    }
    return found
  }

  #exchange(memory: RingMemory, at: number, facts: L.ConnectionFactsRecord | undefined): RecordedExchange {
    const view = viewExchange(memory, at, facts, this.#redaction.query, this.#originUs)
    return { ...view, ...viewDetails(memory, at, this.#redaction) }
  }

  /** Records newest first, with the facts that held when they were written. */
  #walk(recorder: SpanRecorder): { at: number; kind: number; facts: L.ConnectionFactsRecord | undefined }[] {
    const { memory } = recorder.ring
    const records: { at: number; kind: number }[] = []
    recorder.ring.walkBack((at, _words, kind) => {
      records.push({ at, kind })
      return true
    })
    const known = new Map<number, L.ConnectionFactsRecord>()
    const walked = []
    for (const { at, kind } of records.reverse()) {
      if (kind === L.FACTS) {
        const facts = readFacts(memory.int32, memory.bytes, at)
        known.set(facts.connection, facts)
        continue
      }
      const id = kind === L.EXCHANGE ? memory.int32[at * 2 + L.H_CONNECTION]! : -1
      walked.push({ at, kind, facts: known.get(id) ?? recorder.facts.lookup(id) })
    }
    return walked.reverse()
  }
}
