/**
 * The flight recorder in the telemetry thread: records of traces in which something failed or was slow are exported even
 * where the trace was not sampled, written to a folder, and asked for at the other proxies.
 */
import type { SharedCounters } from '../counters.ts'
import { SpanEncoder } from '../otlp-encode.ts'
import * as L from '../record-layout.ts'
import { viewExchange } from '../record-view.ts'
import type { RingMemory, RingReader } from '../ring.ts'
import { type DetailRedaction, viewDetails } from './details.ts'
import { DumpFolder } from './dump.ts'
import { type OpenStream, RecorderLink, type StreamHandlers } from './link.ts'
import { MappedRing } from './mapped-ring.ts'
import type { RecorderOptions } from './options.ts'
import { recordedAttributes } from './recorded-span.ts'
import { type Want, Wants } from './wants.ts'

/** Writes spans into a batch: where to, from where; gives the spans and where they end. */
export type Encode = (out: Buffer, position: number) => { readonly spans: number; readonly end: number }

export interface RecordingOptions {
  readonly recorder: RecorderOptions
  readonly memory: RingMemory
  readonly reader: RingReader
  readonly redaction: DetailRedaction
  readonly counters: SharedCounters
  /** Microseconds from the clock of records to Unix time, now. */
  readonly originUs: () => number
  readonly resource: Readonly<Record<string, string>>
  readonly factsOf: (connection: number) => L.ConnectionFactsRecord | undefined
  /** Undefined where nothing is exported. */
  readonly exporting:
    | {
        readonly add: (traceId: string, encode: Encode) => void
        readonly openStream: (path: string, handlers: StreamHandlers) => OpenStream
      }
    | undefined
  readonly warn: (message: string, error: unknown) => void
}

export class Recording {
  readonly #options: RecordingOptions
  readonly #wants: Wants
  readonly #dump: DumpFolder | undefined
  readonly #link: RecorderLink | undefined
  readonly #file: MappedRing | undefined
  /** Made for the first copy, which nearly no process ever sees. */
  #encoder: SpanEncoder | undefined

  constructor(options: RecordingOptions) {
    this.#options = options
    const { recorder, memory, reader, counters, exporting } = options
    this.#wants = new Wants({
      ...{ memory, reader, counters, tracesPerSecond: recorder.tracesPerSecond },
      onRecord: (copy, at, want) => this.#take(copy, at, want),
      onTrigger: (traceId, sampled) => this.#ask(traceId, sampled),
    })
    if (recorder.dump !== undefined) this.#dump = this.#openDump(recorder.dump)
    if (recorder.file !== undefined) this.#file = this.#openFile(recorder.file)
    if (recorder.ask && recorder.tracesPerSecond > 0 && exporting !== undefined) {
      const { openStream } = exporting
      this.#link = new RecorderLink({ open: openStream, onWanted: (traceIds) => this.#wants.wanted(traceIds) })
    }
  }

  /** Whether records should be read soon after they were written, for what is in memory alone may be lost. */
  get isUrgent(): boolean {
    return this.#file !== undefined
  }

  /** Any record is being read. */
  copy(at: number, words: number, kind: number): void {
    if (this.#file === undefined || kind === L.FACTS) return
    const { memory, factsOf, originUs } = this.#options
    const facts = kind === L.EXCHANGE ? factsOf(memory.int32[at * 2 + L.H_CONNECTION]!) : undefined
    this.#file.originUs = originUs()
    this.#file.write(memory, at, words, kind, facts)
  }

  /** An EXCHANGE record is being read. Gives the attributes that its span is to have beside its own. */
  seen(at: number, words: number): Uint8Array | undefined {
    this.#link?.begin()
    const want = this.#wants.seen(at, words)
    if (want === undefined) return undefined
    const { memory, redaction } = this.#options
    return recordedAttributes(viewDetails(memory, at, redaction), want.reason, false)
  }

  async close(): Promise<void> {
    this.#wants.close()
    this.#link?.close()
    await this.#dump?.close()
    this.#file?.close()
  }

  /** Without it the proxy serves as ever. */
  #openFile(given: NonNullable<RecorderOptions['file']>): MappedRing | undefined {
    try {
      return new MappedRing(given, this.#options.redaction)
    } catch (error) {
      this.#options.counters.add('recorderFaults', 1)
      this.#options.warn('the file of the flight recorder cannot be had', error)
      return undefined
    }
  }

  #openDump(given: NonNullable<RecorderOptions['dump']>): DumpFolder {
    const { counters, resource, warn } = this.#options
    return new DumpFolder({
      ...given,
      head: (traceId) => ({ hopscope: 'recording', version: 1, traceId, pid: process.pid, resource }),
      onFile: () => counters.add('recorderDumps', 1),
      onFault: (error) => {
        counters.add('recorderFaults', 1)
        warn('a recording could not be written', error)
      },
    })
  }

  /** Those who sampled it have sent their part. Only for what they may write to folders of theirs is it asked for then. */
  #ask(traceId: string, sampled: boolean): void {
    if (this.#link === undefined || (sampled && this.#dump === undefined)) return
    if (this.#link.ask(traceId)) this.#options.counters.add('recorderAsked', 1)
  }

  #take(copy: RingMemory, at: number, want: Want): void {
    const { redaction, factsOf, originUs } = this.#options
    const facts = factsOf(copy.int32[at * 2 + L.H_CONNECTION]!)
    const details = viewDetails(copy, at, redaction)
    if (this.#dump !== undefined) {
      const view = viewExchange(copy, at, facts, redaction.query, originUs())
      this.#dump.write(want.traceId, { reason: want.reason, ...view, ...details })
    }
    if ((copy.int32[at * 2 + L.H_FLAGS]! & L.F_EXPORT) !== 0) return
    this.#options.exporting?.add(want.traceId, (out, position) => {
      this.#encoder ??= new SpanEncoder(copy, redaction.query, 0)
      const encoder = this.#encoder
      encoder.originUs = originUs()
      if (facts !== undefined) encoder.facts(facts)
      encoder.extra = recordedAttributes(details, want.reason, true)
      return { spans: encoder.exchange(at, out, position), end: encoder.end }
    })
  }
}
