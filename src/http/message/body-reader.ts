/** Reads message bodies: one state machine for Content-Length, chunked and close-delimited (RFC 9112 §6, §7.1). */
import { HeaderBlock } from '../../core/headers.ts'
import { knownId } from '../../core/known-names.ts'
import { CHUNKED, UNTIL_CLOSE } from '../../core/message.ts'
import { EXTENSION_BAD, EXTENSION_DONE, EXTENSION_NAME_START, stepExtension } from './chunk-extension.ts'
import { FAULT, type SectionLimits, SectionReader } from './section-reader.ts'
import { CR, HEX, LF } from './syntax.ts'

/** Receives a body. `data` returns false to have the rest of the bytes kept back. */
export interface BodySink {
  onBody(buf: Buffer, start: number, end: number): void
  /** The body is complete; trailers are undefined where none came. */
  onBodyEnd(trailers: HeaderBlock | undefined): void
}

/** 8 hex digits: chunks of 4 GiB and more are refused, as is a size line padded with zeros without end. */
const MAX_SIZE_DIGITS = 8

const CONTENT_LENGTH = knownId('content-length')
const TRANSFER_ENCODING = knownId('transfer-encoding')

const IDLE = 0
const FIXED = 1
const TO_CLOSE = 2
const SIZE = 3
const EXTENSION = 4
const SIZE_LF = 5
const DATA = 6
const DATA_CR = 7
const DATA_LF = 8
const TRAILERS = 9

/** Limits of a body: those of its trailer section, and chunk extensions over the whole message. */
export interface BodyLimits extends SectionLimits {
  readonly chunkExtensionBytes: number
}

/** Reader of the bodies of one connection, one after the other. */
export class BodyReader {
  readonly #limits: BodyLimits
  readonly #sink: BodySink
  #state = IDLE
  /** Bytes left of the body or of the chunk. */
  #left = 0
  #digits = 0
  #extensionBytes = 0
  #extensionState = EXTENSION_NAME_START
  #section: SectionReader | undefined
  #trailers: HeaderBlock | undefined
  /** Safe words on what was wrong, after `read` returned FAULT. */
  detail = ''
  /** The fault is in the trailer section. */
  inTrailers = false

  constructor(limits: BodyLimits, sink: BodySink) {
    this.#limits = limits
    this.#sink = sink
  }

  /** Expect a body of `length` bytes, CHUNKED or UNTIL_CLOSE. A length of 0 ends at once, without an event. */
  begin(length: number): void {
    this.detail = ''
    this.inTrailers = false
    this.#left = length
    if (length === CHUNKED) {
      this.#state = SIZE
      this.#left = 0
      this.#digits = 0
      this.#extensionBytes = 0
    } else {
      this.#state = length === UNTIL_CLOSE ? TO_CLOSE : length > 0 ? FIXED : IDLE
    }
  }

  /** A body is expected and not complete. */
  get active(): boolean {
    return this.#state !== IDLE
  }

  /** The connection ended. True where that completes the body (RFC 9112 §8). */
  close(): boolean {
    if (this.#state !== TO_CLOSE) return this.#state === IDLE
    this.#finish(undefined)
    return true
  }

  /**
   * Read body bytes from `buf[start, end)`. Returns the offset after the last byte that belongs to the body, or
   * FAULT. With trailers not complete it returns the offset of the trailer section: the caller brings those bytes
   * again with more behind them.
   */
  read(buf: Buffer, start: number, end: number): number {
    let at = start
    while (at < end && this.#state !== IDLE) {
      switch (this.#state) {
        case FIXED:
          at = this.#fixed(buf, at, end)
          break
        case TO_CLOSE:
          this.#sink.onBody(buf, at, end)
          at = end
          break
        case DATA:
          at = this.#data(buf, at, end)
          break
        case TRAILERS: {
          const length = this.#readTrailers(buf, at, end)
          if (length === FAULT) return FAULT
          if (length === 0) return at
          at += length
          break
        }
        default:
          at = this.#framingByte(buf, at, end)
          if (at === FAULT) return FAULT
      }
    }
    return at
  }

  #fixed(buf: Buffer, at: number, end: number): number {
    const take = Math.min(this.#left, end - at)
    this.#left -= take
    // The state changes before the event: an event may look, or may end the exchange.
    const last = this.#left === 0
    if (last) this.#state = IDLE
    this.#sink.onBody(buf, at, at + take)
    if (last) this.#sink.onBodyEnd(undefined)
    return at + take
  }

  #data(buf: Buffer, at: number, end: number): number {
    const take = Math.min(this.#left, end - at)
    this.#left -= take
    if (this.#left === 0) this.#state = DATA_CR
    this.#sink.onBody(buf, at, at + take)
    return at + take
  }

  /** One or more bytes of a size line or of the CRLF after a chunk. */
  #framingByte(buf: Buffer, at: number, end: number): number {
    const byte = buf[at]!
    switch (this.#state) {
      case SIZE: {
        const digit = HEX[byte]!
        if (digit >= 0) {
          if (++this.#digits > MAX_SIZE_DIGITS) return this.#bad('a chunk size is too long')
          this.#left = this.#left * 16 + digit
          return at + 1
        }
        if (this.#digits === 0) return this.#bad('a chunk size is not hex')
        if (byte === CR) this.#state = SIZE_LF
        else if (byte === 0x3b) {
          this.#state = EXTENSION
          this.#extensionState = EXTENSION_NAME_START
        } else return this.#bad('a chunk size is not hex')
        return at + 1
      }
      case EXTENSION:
        return this.#extension(buf, at, end)
      case SIZE_LF:
        if (byte !== LF) return this.#bad('a chunk size line does not end in CRLF')
        this.#sizeDone()
        return at + 1
      case DATA_CR:
        if (byte !== CR) return this.#bad('a chunk is longer than its size, or does not end in CRLF')
        this.#state = DATA_LF
        return at + 1
      default:
        if (byte !== LF) return this.#bad('a chunk does not end in CRLF')
        this.#state = SIZE
        this.#left = 0
        this.#digits = 0
        return at + 1
    }
  }

  /** Extensions are read over and dropped (RFC 9112 §7.1.1), within a bound for the whole message (CVE-2024-22019). */
  #extension(buf: Buffer, start: number, end: number): number {
    let at = start
    let state = this.#extensionState
    while (at < end && state !== EXTENSION_DONE) {
      state = stepExtension(state, buf[at++]!)
      if (state === EXTENSION_BAD) return this.#bad('a chunk extension is malformed')
    }
    this.#extensionBytes += at - start
    if (this.#extensionBytes > this.#limits.chunkExtensionBytes) return this.#bad('chunk extensions are too long')
    this.#extensionState = state
    if (state === EXTENSION_DONE) this.#state = SIZE_LF
    return at
  }

  #sizeDone(): void {
    if (this.#left > 0) {
      this.#state = DATA
      return
    }
    this.#state = TRAILERS
    this.#section ??= new SectionReader(this.#limits, undefined)
    this.#trailers ??= new HeaderBlock(8)
    this.#section.reset()
    this.#trailers.reset()
  }

  #readTrailers(buf: Buffer, at: number, end: number): number {
    const length = this.#section!.read(buf, at, end, this.#trailers!)
    if (length === 0) return 0
    const trailers = this.#trailers!
    // Other names that may not stand here are left out when we write; a second length for the same body is an attack.
    const framed = trailers.countOf(CONTENT_LENGTH) + trailers.countOf(TRANSFER_ENCODING) > 0
    if (length === FAULT || framed) {
      this.inTrailers = true
      return this.#bad(framed ? 'a framing field in the trailers' : this.#section!.detail)
    }
    this.#finish(trailers.count > 0 ? trailers : undefined)
    return length
  }

  #finish(trailers: HeaderBlock | undefined): void {
    this.#state = IDLE
    this.#sink.onBodyEnd(trailers)
  }

  #bad(detail: string): typeof FAULT {
    this.detail = detail
    return FAULT
  }
}
