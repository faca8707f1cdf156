/** Messages of one direction of a Thrift connection: heads are read, and what failed; all else is passed over. */
import type { CallError } from './call.ts'
import { readFailure } from './thrift-failure.ts'
import {
  EXCEPTION,
  FRAME_LENGTH_BYTES,
  MAX_FRAME_BYTES,
  MAX_HEAD_BYTES,
  REPLY,
  readThriftHead,
  type ThriftEncoding,
  type ThriftHead,
} from './thrift-header.ts'
import { BinaryWalker, CompactWalker, type StructWalker, WALK_BYTES } from './thrift-walk.ts'
import { DOUBT, MORE, UnitReader } from './unit-reader.ts'

/** So much of an exception is read for its text. */
const EXCEPTION_BYTES = 1024
/** The head of the first field of a reply: which one it is tells a result from a declared exception. */
const FIRST_FIELD_BYTES = 4

export interface ThriftMessage {
  /** CALL, REPLY, EXCEPTION or ONEWAY. */
  readonly type: number
  readonly name: string
  readonly sequence: number
  readonly startUs: number
  /** Of the whole message, with its frame's length; known at its end. */
  bytes: number
  readonly failure: CallError | undefined
}

export interface ThriftSink {
  /** The head of a message is there; the rest may be long in coming. */
  onHead(message: ThriftMessage): void
  onEnd(message: ThriftMessage, endUs: number): void
}

export class ThriftReader extends UnitReader {
  readonly #encoding: ThriftEncoding
  readonly #sink: ThriftSink
  /** Undefined where frames tell the length. */
  readonly #walker: StructWalker | undefined
  #message: ThriftMessage | undefined
  #startByte = 0

  constructor(encoding: ThriftEncoding, framed: boolean, sink: ThriftSink) {
    super(FRAME_LENGTH_BYTES + MAX_HEAD_BYTES + Math.max(EXCEPTION_BYTES, WALK_BYTES))
    this.#encoding = encoding
    this.#sink = sink
    if (!framed) this.#walker = encoding === 'binary' ? new BinaryWalker() : new CompactWalker()
  }

  protected unit(buf: Buffer, start: number, end: number): number {
    if (this.#walker === undefined) return this.#frame(buf, start, end)
    return this.#message === undefined ? this.#unframed(buf, start, end) : this.#walk(buf, start, end)
  }

  protected skipped(): void {
    if (this.#walker === undefined) this.#over(0)
  }

  // === framed ===

  #frame(buf: Buffer, start: number, end: number): number {
    if (end - start < FRAME_LENGTH_BYTES) return MORE
    const length = buf.readInt32BE(start)
    if (length < 1 || length > MAX_FRAME_BYTES) return DOUBT
    const at = start + FRAME_LENGTH_BYTES
    const stop = Math.min(end, at + length)
    const whole = stop === at + length
    const head = readThriftHead(this.#encoding, buf, at, stop)
    if (head === 'no' || (head === 'more' && whole) || (typeof head === 'object' && head.bytes >= length)) return DOUBT
    if (head === 'more') return MORE
    const failure = this.#failure(head, buf, at + head.bytes, stop, whole)
    if (failure === 'more') return MORE
    this.#begin(head, failure)
    this.skip = length - head.bytes
    return FRAME_LENGTH_BYTES + head.bytes
  }

  // === unframed ===

  #unframed(buf: Buffer, start: number, end: number): number {
    const head = readThriftHead(this.#encoding, buf, start, end)
    if (typeof head === 'string') return head === 'more' ? MORE : DOUBT
    const failure = this.#failure(head, buf, start + head.bytes, end, false)
    if (failure === 'more') return MORE
    this.#begin(head, failure)
    this.#walker!.begin()
    return head.bytes
  }

  #walk(buf: Buffer, start: number, end: number): number {
    const walker = this.#walker!
    const used = walker.walk(buf, start, end)
    this.skip = walker.skip
    if (used > 0 && walker.done) this.#over(used)
    return used
  }

  // === either ===

  /** What a reply says of a failure; `whole`: no more of it will come. */
  #failure(head: ThriftHead, buf: Buffer, at: number, stop: number, whole: boolean): CallError | undefined | 'more' {
    if (head.type !== REPLY && head.type !== EXCEPTION) return undefined
    const enough = head.type === EXCEPTION ? EXCEPTION_BYTES : FIRST_FIELD_BYTES
    // No more than that, even where more is there: the answer must not depend on how the bytes were split.
    const failure = readFailure(this.#encoding, head.type === EXCEPTION, buf, at, Math.min(stop, at + enough))
    if (failure !== 'more') return failure
    if (!whole && stop - at < enough) return 'more'
    return head.type === EXCEPTION ? { type: 'exception', message: '' } : undefined
  }

  #begin(head: ThriftHead, failure: CallError | undefined): void {
    const { type, name, sequence } = head
    this.#message = { type, name, sequence, startUs: this.unitUs, bytes: 0, failure }
    this.#startByte = this.taken
    this.#sink.onHead(this.#message)
  }

  /** The message is over with the `used` bytes at hand. */
  #over(used: number): void {
    const message = this.#message!
    message.bytes = this.taken + used - this.#startByte
    this.#message = undefined
    this.#sink.onEnd(message, this.readUs)
  }
}
