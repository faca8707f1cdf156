/**
 * Counts the messages of one direction of a WebSocket by its frame headers (RFC 6455 §5.2), without a look at payloads:
 * control frames between fragments, masks, and compressed messages are all the same to it. It is fed in any pieces,
 * keeps no bytes, and lets go for good where a frame breaks the rules. Over HTTP/2 it is fed the DATA of the stream
 * (RFC 8441 §5).
 */
import { nowUs } from '../../core/clock.ts'

const CONTINUATION = 0
const TEXT = 1
const BINARY = 2
const CLOSE = 8
const PING = 9
const PONG = 10

const FIN = 0x80
/** Reserved for extensions; the first is set by permessage-deflate (RFC 7692), the others by none that is known. */
const RSV1 = 0x40
const RSV_OTHERS = 0x30
const MASKED = 0x80
const MAX_CONTROL_BYTES = 125
const MASK_BYTES = 4
const CODE_BYTES = 2

/** Where in a frame the next byte stands. */
const FIRST = 0
const LENGTH = 1
const LONG_LENGTH = 2
const MASK = 3
const CODE = 4
const PAYLOAD = 5

/** A whole message, at its last byte. Times in microseconds of the monotonic clock. */
export interface WebSocketMessage {
  readonly text: boolean
  /** On the wire, compressed where that was agreed on; without frame headers. */
  readonly bytes: number
  readonly fragments: number
  /** First byte of its first frame. */
  readonly startUs: number
  readonly endUs: number
}

export class WebSocketWatch {
  /** Whole messages, and those among them that are text. */
  messages = 0
  texts = 0
  /** Payload of data frames so far, also of messages that are under way. */
  bytes = 0
  /** Data frames beyond the first of their message. */
  fragments = 0
  pings = 0
  pongs = 0
  /** Largest message, in bytes. */
  largest = 0
  /** First byte of the first message, last byte of the last whole one; -1 while there is none. */
  firstUs = -1
  lastUs = -1
  /** Status of the Close frame (§7.4), 1005 where it carries none, -1 while there is no Close frame. */
  closeCode = -1
  /** When it came; -1 while it did not. */
  closeUs = -1
  /** Bytes of the reason that came with it. */
  closeReasonBytes = 0
  /** What broke the rules, '' while nothing did. */
  malformed = ''

  readonly #masked: boolean
  readonly #onMessage: ((message: WebSocketMessage) => void) | undefined
  #at = FIRST
  #first = 0
  #lengthByte = 0
  #lengthLeft = 0
  #length = 0
  #maskLeft = 0
  readonly #mask = new Uint8Array(MASK_BYTES)
  #codeAt = 0
  #code = 0
  /** Payload still to come. */
  #left = 0
  /** Of the message that is under way: its opcode, 0 where there is none. */
  #opcode = CONTINUATION
  #messageBytes = 0
  #messageFragments = 0
  #startUs = -1

  /** `masked`: the direction is that of the client, whose frames must be masked; those of servers must not (§5.1). */
  constructor(masked: boolean, onMessage?: (message: WebSocketMessage) => void) {
    this.#masked = masked
    this.#onMessage = onMessage
  }

  /** Nothing more is of interest: the direction was closed, or it is no WebSocket that we understand. */
  get done(): boolean {
    return this.malformed !== '' || (this.closeCode !== -1 && this.#at === FIRST)
  }

  /** Look at `buf[start, end)`, which came at `now`. True: {@link done}. */
  feed(buf: Uint8Array, start: number, end: number, now = nowUs()): boolean {
    let at = start
    while (at < end && !this.done) {
      if (this.#at === PAYLOAD) {
        const bytes = Math.min(this.#left, end - at)
        at += bytes
        this.#payload(bytes, now)
      } else {
        this.#header(buf[at++]!, now)
      }
    }
    return this.done
  }

  #header(byte: number, now: number): void {
    switch (this.#at) {
      case FIRST:
        this.#begin(byte, now)
        break
      case LENGTH:
        this.#readLength(byte, now)
        break
      case LONG_LENGTH:
        this.#length = this.#length * 256 + byte
        if (--this.#lengthLeft === 0) this.#lengthKnown(now)
        break
      case MASK:
        this.#mask[MASK_BYTES - this.#maskLeft] = byte
        if (--this.#maskLeft === 0) this.#headerOver(now)
        break
      case CODE:
        this.#readCode(byte, now)
        break
    }
  }

  /** FIN, reserved bits and opcode. */
  #begin(byte: number, now: number): void {
    const opcode = byte & 0xf
    this.#first = byte
    if ((byte & RSV_OTHERS) !== 0) this.#refuse('reserved bits')
    else if (opcode > PONG || (opcode > BINARY && opcode < CLOSE)) this.#refuse('reserved opcode')
    else if (opcode >= CLOSE && (byte & FIN) === 0) this.#refuse('fragmented control frame')
    else if ((byte & RSV1) !== 0 && opcode !== TEXT && opcode !== BINARY)
      this.#refuse('compression bit on a later frame')
    else if (opcode === CONTINUATION && this.#opcode === CONTINUATION) this.#refuse('continuation of nothing')
    else if ((opcode === TEXT || opcode === BINARY) && this.#opcode !== CONTINUATION)
      this.#refuse('message within a message')
    if (opcode === TEXT || opcode === BINARY) {
      this.#opcode = opcode
      this.#startUs = now
      this.#messageBytes = 0
      this.#messageFragments = 0
    }
    this.#at = LENGTH
  }

  #readLength(byte: number, now: number): void {
    if (((byte & MASKED) !== 0) !== this.#masked) {
      this.#refuse(this.#masked ? 'client frame without mask' : 'masked server frame')
      return
    }
    this.#lengthByte = byte & 0x7f
    this.#length = 0
    if (this.#lengthByte < 126) {
      this.#length = this.#lengthByte
      this.#lengthKnown(now)
    } else if ((this.#first & 0xf) >= CLOSE) {
      this.#refuse('long control frame')
    } else {
      this.#lengthLeft = this.#lengthByte === 126 ? 2 : 8
      this.#at = LONG_LENGTH
    }
  }

  #lengthKnown(now: number): void {
    const shortest = this.#lengthByte < 126 ? 0 : this.#lengthByte === 126 ? MAX_CONTROL_BYTES + 1 : 65_536
    if (this.#length < shortest) this.#refuse('length in more bytes than it needs')
    else if (this.#length > Number.MAX_SAFE_INTEGER) this.#refuse('length beyond all bounds')
    else if (this.#masked) {
      this.#maskLeft = MASK_BYTES
      this.#at = MASK
    } else this.#headerOver(now)
  }

  #headerOver(now: number): void {
    this.#left = this.#length
    if ((this.#first & 0xf) === CLOSE) {
      if (this.#length === 1) this.#refuse('close frame of one byte')
      this.#closing(now)
      return
    }
    this.#at = PAYLOAD
    if (this.#left === 0) this.#payload(0, now)
  }

  // === payload ===

  #payload(bytes: number, now: number): void {
    this.#left -= bytes
    const data = (this.#first & 0xf) <= BINARY
    if (data) {
      this.bytes += bytes
      this.#messageBytes += bytes
    }
    if (this.#left > 0) return
    this.#at = FIRST
    if (data) this.#frameOver(now)
    else if ((this.#first & 0xf) === PING) this.pings++
    else if ((this.#first & 0xf) === PONG) this.pongs++
  }

  #frameOver(now: number): void {
    this.#messageFragments++
    if (this.#messageFragments > 1) this.fragments++
    if ((this.#first & FIN) === 0) return
    const text = this.#opcode === TEXT
    this.#opcode = CONTINUATION
    this.messages++
    if (text) this.texts++
    if (this.#messageBytes > this.largest) this.largest = this.#messageBytes
    if (this.firstUs < 0) this.firstUs = this.#startUs
    this.lastUs = now
    this.#onMessage?.({
      text,
      bytes: this.#messageBytes,
      fragments: this.#messageFragments,
      startUs: this.#startUs,
      endUs: now,
    })
  }

  /** A Close frame: its status is the one thing of a payload that is read. */
  #closing(now: number): void {
    this.closeReasonBytes = Math.max(0, this.#length - CODE_BYTES)
    this.closeUs = now
    if (this.#length === 0) {
      this.closeCode = 1005
      this.#at = FIRST
      return
    }
    this.#codeAt = 0
    this.#code = 0
    this.#at = CODE
  }

  #readCode(byte: number, now: number): void {
    const plain = this.#masked ? byte ^ this.#mask[this.#codeAt]! : byte
    this.#code = (this.#code << 8) | plain
    this.#left--
    if (++this.#codeAt < CODE_BYTES) return
    this.closeCode = this.#code
    this.#at = PAYLOAD
    if (this.#left === 0) this.#payload(0, now)
  }

  #refuse(reason: string): void {
    if (this.malformed === '') this.malformed = reason
  }
}
