/** Spans by trace, in bounded memory. A trace is handed on when no span of it has come for a while. */
import { nowUs } from '../core/clock.ts'
import { type Deadlined, Sweeper } from '../core/timers.ts'
import type { ReceivedSpan } from './span.ts'

export interface TraceStoreOptions {
  /**
   * A trace went quiet. Called again, with all its spans, should later ones come: `trace.handedOn` counts the calls
   * before. A throw goes to the process's uncaught exception handler.
   */
  readonly onQuiet: (trace: Trace) => void
  /** Silence after which a trace with its root and no missing parent is handed on; 500 by default. */
  readonly quietMs?: number
  /** The same while parents are missing: a call under way has children before it has itself. 3000 by default. */
  readonly incompleteQuietMs?: number
  /** Traces kept; the one that was touched longest ago goes first. 1000 by default. */
  readonly maxTraces?: number
  /** Spans of one trace; further ones are counted and forgotten. 2000 by default. */
  readonly maxSpansPerTrace?: number
  /** Bytes of all spans kept, as on the wire; 32 MiB by default. */
  readonly maxBytes?: number
}

export interface TraceStoreCounters {
  /** Spans that came again (OTLP allows it after a lost acknowledgement). */
  duplicates: number
  /** Spans over the bound of their trace. */
  overflowing: number
  /** Traces pushed out, and of those the ones that had not been handed on in full. */
  evicted: number
  evictedUnseen: number
}

/** One trace, its spans in order of arrival. */
export class Trace implements Deadlined {
  readonly traceId: string
  readonly spans = new Map<string, ReceivedSpan>()
  /** Parents that spans name and that have not come. */
  readonly missing = new Set<string>()
  /** Spans left out for their number. */
  overflow = 0
  /** How often it was handed on. */
  handedOn = 0
  bytes = 0
  deadlineUs = Number.POSITIVE_INFINITY
  readonly #onDeadline: (trace: Trace) => void

  constructor(traceId: string, onDeadline: (trace: Trace) => void) {
    this.traceId = traceId
    this.#onDeadline = onDeadline
  }

  onDeadline(): void {
    this.#onDeadline(this)
  }

  /** Every parent that a span names is here: nothing says that spans are still to come. */
  get complete(): boolean {
    return this.missing.size === 0
  }
}

export class TraceStore {
  readonly counters: TraceStoreCounters = { duplicates: 0, overflowing: 0, evicted: 0, evictedUnseen: 0 }
  readonly #options: Required<TraceStoreOptions>
  /** In order of the last touch, so that the first is the one to push out. */
  readonly #traces = new Map<string, Trace>()
  readonly #sweeper = new Sweeper()
  #bytes = 0

  constructor(options: TraceStoreOptions) {
    this.#options = {
      quietMs: 500,
      incompleteQuietMs: 3000,
      maxTraces: 1000,
      maxSpansPerTrace: 2000,
      maxBytes: 32 * 1024 * 1024,
      ...options,
    }
  }

  /** Traces kept. */
  get size(): number {
    return this.#traces.size
  }

  /** Bytes of the spans kept. */
  get bytes(): number {
    return this.#bytes
  }

  get(traceId: string): Trace | undefined {
    return this.#traces.get(traceId)
  }

  add(spans: readonly ReceivedSpan[]): void {
    for (const span of spans) this.#add(span)
    this.#shrink()
  }

  /** Forget everything and hand on nothing more. */
  close(): void {
    for (const trace of this.#traces.values()) this.#sweeper.remove(trace)
    this.#traces.clear()
    this.#bytes = 0
  }

  #add(span: ReceivedSpan): void {
    const trace = this.#touch(span.traceId)
    if (trace.spans.has(span.spanId)) {
      this.counters.duplicates++
      return
    }
    if (trace.spans.size >= this.#options.maxSpansPerTrace) {
      trace.overflow++
      this.counters.overflowing++
      return
    }
    trace.spans.set(span.spanId, span)
    trace.missing.delete(span.spanId)
    if (span.parentSpanId !== '' && !trace.spans.has(span.parentSpanId)) trace.missing.add(span.parentSpanId)
    trace.bytes += span.wireBytes
    this.#bytes += span.wireBytes
    const { quietMs, incompleteQuietMs } = this.#options
    trace.deadlineUs = nowUs() + (trace.complete ? quietMs : incompleteQuietMs) * 1000
    this.#sweeper.add(trace)
  }

  #touch(traceId: string): Trace {
    const trace = this.#traces.get(traceId) ?? new Trace(traceId, (quiet) => this.#quiet(quiet))
    this.#traces.delete(traceId)
    this.#traces.set(traceId, trace)
    return trace
  }

  #quiet(trace: Trace): void {
    this.#sweeper.remove(trace)
    try {
      this.#options.onQuiet(trace)
    } finally {
      trace.handedOn++
    }
  }

  /** Down to the bounds, the newest trace excepted: it alone is bounded by its own count. */
  #shrink(): void {
    const { maxTraces, maxBytes } = this.#options
    for (const [traceId, trace] of this.#traces) {
      if (this.#traces.size <= maxTraces && this.#bytes <= maxBytes) return
      this.#traces.delete(traceId)
      this.#sweeper.remove(trace)
      this.#bytes -= trace.bytes
      this.counters.evicted++
      if (trace.deadlineUs !== Number.POSITIVE_INFINITY) this.counters.evictedUnseen++
    }
  }
}
