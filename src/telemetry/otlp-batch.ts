/**
 * ExportTraceServiceRequest messages (opentelemetry/proto/collector/trace/v1) filled span by span: what stands before
 * the spans needs their length, so room is left for it and the request is a slice that begins where it ended up.
 */
import { MessageWriter, writeVarint } from '../core/protobuf.ts'
import { MAX_ENCODED_BYTES } from './otlp-encode.ts'
import { keyValue } from './otlp-rare.ts'

const SCHEMA_URL = 'https://opentelemetry.io/schemas/1.44.0'
/** Receivers take 4 MiB; stay clear of it. */
const MAX_REQUEST_BYTES = 4 * 1024 * 1024 - 65_536
/** What a usual span takes, to size the buffer by. */
const SPAN_BYTES = 768

/** A finished request. */
export interface Batch {
  readonly bytes: Buffer
  readonly spans: number
  /** Memory that it holds. */
  readonly heldBytes: number
  /** The buffer beneath, to be given back by {@link BatchBuilder.recycle}; undefined where it is a copy. */
  readonly buffer: Buffer | undefined
  /** Where its records are, for a batch that may have to be divided; undefined where there is one receiver. */
  readonly marks: BatchMarks | undefined
}

/** Records of a batch, in order. Each is one span, or several of one trace. */
export interface BatchMarks {
  /** Where the first record begins in the batch. */
  readonly start: number
  /** Where each ends, counted from `start`. */
  readonly ends: Uint32Array
  /** Slots of their traces. */
  readonly slots: Uint16Array
  readonly spans: Uint16Array
}

/**
 * Share of its buffer that a request must fill for the buffer to go with it; emptier ones are copied out. A full batch of
 * usual spans takes 0.7 of it: a copy of each would be as much again to collect.
 */
const WORTH_HANDING_OVER = 0.6
/** Free buffers kept: large ones made anew for each request cost page faults and major collections. */
const MAX_SPARE = 3

export class BatchBuilder {
  readonly #resource: Buffer
  readonly #scope: Buffer
  readonly #head: number
  readonly #maxSpans: number
  readonly #size: number
  #buffer: Buffer
  #at: number
  #spans = 0
  readonly #spare: Buffer[] = []
  readonly #marks: { ends: Uint32Array; slots: Uint16Array; spans: Uint16Array } | undefined
  #records = 0

  /** `marked`: batches say where their records are. */
  constructor(resource: Readonly<Record<string, string>>, version: string, maxSpans: number, marked = false) {
    const attributes = new MessageWriter()
    for (const [key, value] of Object.entries(resource)) attributes.message(1, keyValue(key, value))
    // ResourceSpans: resource = 1, schema_url = 3; ScopeSpans: scope = 1.
    this.#resource = new MessageWriter().message(1, attributes).string(3, SCHEMA_URL).finish()
    this.#scope = new MessageWriter().message(1, new MessageWriter().string(1, 'hopscope').string(2, version)).finish()
    this.#head = this.#resource.length + this.#scope.length + 24
    this.#maxSpans = maxSpans
    this.#marks = marked
      ? { ends: new Uint32Array(maxSpans), slots: new Uint16Array(maxSpans), spans: new Uint16Array(maxSpans) }
      : undefined
    this.#size = Math.min(MAX_REQUEST_BYTES, this.#head + maxSpans * SPAN_BYTES + MAX_ENCODED_BYTES)
    this.#buffer = Buffer.allocUnsafeSlow(this.#size)
    this.#at = this.#head
  }

  /** Where the next spans are to be encoded; there is room for {@link MAX_ENCODED_BYTES}. */
  get buffer(): Buffer {
    return this.#buffer
  }

  get position(): number {
    return this.#at
  }

  get spans(): number {
    return this.#spans
  }

  /** Memory that the request would hold if it were taken with one more usual span. */
  get holding(): number {
    const length = this.#at + 2 * SPAN_BYTES
    return length < this.#size * WORTH_HANDING_OVER ? length : this.#size
  }

  /** `spans` of a trace of `slot` were written up to `end`. True: the request is full, take it. */
  added(spans: number, end: number, slot = 0): boolean {
    if (this.#marks !== undefined) {
      this.#marks.ends[this.#records] = end - this.#head
      this.#marks.slots[this.#records] = slot
      this.#marks.spans[this.#records++] = spans
    }
    this.#spans += spans
    this.#at = end
    return this.#spans >= this.#maxSpans || end + MAX_ENCODED_BYTES > this.#size
  }

  /** Copy a record of another batch, encoded as it is; result as of {@link added}. There must be room. */
  copy(record: Uint8Array, spans: number, slot: number): boolean {
    this.#buffer.set(record, this.#at)
    return this.added(spans, this.#at + record.length, slot)
  }

  /** The request so far, and a fresh one begun. */
  take(): Batch {
    const bytes = this.#closed()
    const spans = this.#spans
    const marks = this.#takeMarks(bytes.length)
    this.#spans = 0
    this.#at = this.#head
    if (bytes.length < this.#size * WORTH_HANDING_OVER) {
      return { bytes: Buffer.from(bytes), spans, heldBytes: bytes.length, buffer: undefined, marks }
    }
    const buffer = this.#buffer
    this.#buffer = this.#spare.pop() ?? Buffer.allocUnsafeSlow(this.#size)
    return { bytes, spans, heldBytes: this.#size, buffer, marks }
  }

  #takeMarks(length: number): BatchMarks | undefined {
    const [marks, records] = [this.#marks, this.#records]
    if (marks === undefined) return undefined
    this.#records = 0
    return {
      start: length - (this.#at - this.#head),
      ends: marks.ends.slice(0, records),
      slots: marks.slots.slice(0, records),
      spans: marks.spans.slice(0, records),
    }
  }

  /** The request is done with. */
  recycle(batch: Batch): void {
    if (batch.buffer !== undefined && this.#spare.length < MAX_SPARE) this.#spare.push(batch.buffer)
  }

  #closed(): Buffer {
    const scopeSpans = this.#scope.length + this.#at - this.#head
    const prefix = Buffer.alloc(24)
    const inner = writeVarint(prefix, 0, 0x12)
    const innerEnd = writeVarint(prefix, inner, scopeSpans)
    const resourceSpans = this.#resource.length + innerEnd + scopeSpans
    const outer = Buffer.alloc(12)
    const outerEnd = writeVarint(outer, writeVarint(outer, 0, 0x0a), resourceSpans)
    const begin = this.#head - this.#scope.length - innerEnd - this.#resource.length - outerEnd
    let at = begin
    for (const part of [outer.subarray(0, outerEnd), this.#resource, prefix.subarray(0, innerEnd), this.#scope]) {
      this.#buffer.set(part, at)
      at += part.length
    }
    return this.#buffer.subarray(begin, this.#at)
  }
}
