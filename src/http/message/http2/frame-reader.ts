/**
 * Frames out of a byte stream, in whatever pieces it comes. DATA is reported in place and in pieces; every other frame
 * is reported once and whole, a header block joined from HEADERS and its CONTINUATIONs. Rules of RFC 9113 §4 to §6 that
 * need no stream state are held here. What that document calls a stream error in the form of a frame ends the connection
 * (allowed by §5.4.2): a peer that makes us reset streams by malformed frames ("MadeYouReset") gains nothing.
 */
import type { FrameLimits, FrameSink } from './frame-sink.ts'
import {
  ACK,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  ENHANCE_YOUR_CALM,
  FRAME_HEADER,
  FRAME_SIZE_ERROR,
  GOAWAY,
  HEADERS,
  MAX_31,
  PADDED,
  PING,
  PREFACE,
  PRIORITY,
  PRIORITY_UPDATE,
  PROTOCOL_ERROR,
  PUSH_PROMISE,
  RST_STREAM,
  SETTINGS,
  settingFault,
  WINDOW_UPDATE,
  WITH_PRIORITY,
} from './frames.ts'

const DEFAULT_LIMITS: FrameLimits = { maxBlockBytes: 128 * 1024, maxContinuations: 32, preface: false }
const NOTHING = Buffer.alloc(0)

/** Payload lengths of the frames that have one length only, by type; -1 for others. */
const FIXED_LENGTH = Int8Array.of(-1, -1, 5, 4, -1, -1, 8, -1, 4, -1)

/** States: what the next bytes are. */
const IN_PREFACE = 0
const IN_HEADER = 1
const IN_DATA = 2
const IN_PAYLOAD = 3
/** A payload that nobody wants. */
const IN_SKIPPED = 4

const uint32 = (buf: Buffer, at: number): number =>
  ((buf[at]! << 24) | (buf[at + 1]! << 16) | (buf[at + 2]! << 8) | buf[at + 3]!) >>> 0

/** Reads one direction of one connection. */
export class FrameReader {
  readonly #maxFrameBytes: number
  readonly #sink: FrameSink
  readonly #limits: FrameLimits
  #state: number
  #error = 0
  #stopped = false
  /** Frames begun, those of one header block as one: tells whether it is still the same that is not complete. */
  units = 0
  /** Bytes of the preface or of the frame header seen so far. */
  #have = 0
  readonly #head = Buffer.alloc(FRAME_HEADER)
  #first = true

  #length = 0
  #type = 0
  #flags = 0
  #streamId = 0

  /** Payload bytes still to come (DATA, skipped frames). */
  #left = 0
  /** DATA only: padding still to come, the last bytes of the frame; -1 until the pad length was read. */
  #padding = 0

  /** A split payload, and how much of it is there. */
  #held: Buffer = NOTHING
  #heldBytes = 0

  /** The header block under way: its stream, 0 for none. */
  #blockStream = 0
  #blockEndsStream = false
  #block: Buffer = NOTHING
  #blockBytes = 0
  #continuations = 0

  /** `maxFrameBytes`: our SETTINGS_MAX_FRAME_SIZE. */
  constructor(maxFrameBytes: number, sink: FrameSink, limits: Partial<FrameLimits> = {}) {
    this.#maxFrameBytes = maxFrameBytes
    this.#sink = sink
    this.#limits = { ...DEFAULT_LIMITS, ...limits }
    this.#state = this.#limits.preface ? IN_PREFACE : IN_HEADER
  }

  /** Whether the stream stands inside the preface, a frame or a header block: the peer owes bytes. */
  get pending(): boolean {
    return this.#state !== IN_HEADER || this.#have > 0 || this.#blockStream !== 0
  }

  /** Like {@link pending}, but for the payload of DATA, which has a pace of its own. */
  get owes(): boolean {
    return this.#state !== IN_DATA && this.pending
  }

  /** Whether a header block is under way; nothing else may come on the connection before its end. */
  get inHeaderBlock(): boolean {
    return this.#blockStream !== 0
  }

  /** Take `buf[start, end)`. Returns 0, or the error code the connection has to end with; then nothing more is read. */
  read(buf: Buffer, start: number, end: number): number {
    let at = start
    while (at < end && this.#error === 0 && !this.#stopped) {
      switch (this.#state) {
        case IN_HEADER:
          at = this.#readHeader(buf, at, end)
          break
        case IN_DATA:
          at = this.#readData(buf, at, end)
          break
        case IN_PAYLOAD:
          at = this.#readPayload(buf, at, end)
          break
        case IN_SKIPPED:
          at = this.#skip(at, end)
          break
        default:
          at = this.#readPreface(buf, at, end)
      }
    }
    return this.#error
  }

  /** Read nothing more, not even the rest of what is being read. */
  stop(): void {
    this.#stopped = true
  }

  #readPreface(buf: Buffer, at: number, end: number): number {
    let to = at
    while (to < end && this.#have < PREFACE.length) {
      if (buf[to++] !== PREFACE[this.#have++]) {
        this.#error = PROTOCOL_ERROR
        return to
      }
    }
    if (this.#have === PREFACE.length) {
      this.#have = 0
      this.#state = IN_HEADER
    }
    return to
  }

  #readHeader(buf: Buffer, at: number, end: number): number {
    if (this.#have === 0 && end - at >= FRAME_HEADER) {
      this.#begin(buf, at)
      return at + FRAME_HEADER
    }
    const take = Math.min(FRAME_HEADER - this.#have, end - at)
    buf.copy(this.#head, this.#have, at, at + take)
    this.#have += take
    if (this.#have === FRAME_HEADER) {
      this.#have = 0
      this.#begin(this.#head, 0)
    }
    return at + take
  }

  #begin(buf: Buffer, at: number): void {
    this.#length = (buf[at]! << 16) | (buf[at + 1]! << 8) | buf[at + 2]!
    this.#type = buf[at + 3]!
    this.#flags = buf[at + 4]!
    this.#streamId = uint32(buf, at + 5) & MAX_31
    this.#error = this.#headerFault()
    if (this.#error !== 0) return
    if (this.#blockStream === 0) this.units++
    this.#first = false
    if (this.#type === DATA) this.#beginData()
    else if (this.#type > CONTINUATION) this.#beginOther()
    else if (this.#length === 0) this.#dispatch(NOTHING, 0, 0)
    else this.#state = IN_PAYLOAD
  }

  /** What is wrong with the frame by its header alone. */
  #headerFault(): number {
    const type = this.#type
    const length = this.#length
    if (length > this.#maxFrameBytes) return FRAME_SIZE_ERROR
    if (this.#first && (type !== SETTINGS || (this.#flags & ACK) !== 0)) return PROTOCOL_ERROR
    if (this.#blockStream !== 0 && (type !== CONTINUATION || this.#streamId !== this.#blockStream)) {
      return PROTOCOL_ERROR
    }
    if (type > CONTINUATION) return type === PRIORITY_UPDATE && this.#streamId !== 0 ? PROTOCOL_ERROR : 0
    if (!this.#streamFits(type)) return PROTOCOL_ERROR
    const fixed = FIXED_LENGTH[type]!
    return (fixed === -1 ? length >= this.#leastLength() : length === fixed) ? 0 : FRAME_SIZE_ERROR
  }

  /** Whether a frame of this type may be on this stream id, and may come at all. */
  #streamFits(type: number): boolean {
    if (type === WINDOW_UPDATE) return true
    if (type === SETTINGS || type === PING || type === GOAWAY) return this.#streamId === 0
    if (type === PUSH_PROMISE || (type === CONTINUATION && this.#blockStream === 0)) return false
    return this.#streamId !== 0
  }

  /** Fewest payload bytes of a frame without a fixed length; one more than there are where the length can't be right. */
  #leastLength(): number {
    const flags = this.#flags
    switch (this.#type) {
      case DATA:
        return (flags & PADDED) === 0 ? 0 : 1
      case HEADERS:
        return ((flags & PADDED) === 0 ? 0 : 1) + ((flags & WITH_PRIORITY) === 0 ? 0 : 5)
      case SETTINGS:
        return ((flags & ACK) === 0 ? this.#length % 6 : this.#length) === 0 ? 0 : this.#length + 1
      case GOAWAY:
        return 8
      default:
        return 0
    }
  }

  #beginData(): void {
    this.#left = this.#length
    if (this.#length === 0) {
      this.#error = this.#sink.onData(this.#streamId, NOTHING, 0, 0, 0, true, (this.#flags & END_STREAM) !== 0)
      return
    }
    this.#padding = (this.#flags & PADDED) === 0 ? 0 : -1
    this.#state = IN_DATA
  }

  #readData(buf: Buffer, at: number, end: number): number {
    let from = at
    if (this.#padding === -1) {
      this.#padding = buf[from++]!
      this.#left--
      if (this.#padding > this.#left) {
        this.#error = PROTOCOL_ERROR
        return from
      }
    }
    const take = Math.min(this.#left, end - from)
    const data = Math.min(take, this.#left - this.#padding)
    this.#left -= take
    if (this.#padding > this.#left) this.#padding = this.#left
    const last = this.#left === 0
    if (last) this.#state = IN_HEADER
    const endStream = last && (this.#flags & END_STREAM) !== 0
    this.#error = this.#sink.onData(this.#streamId, buf, from, from + data, from + take - at, last, endStream)
    return from + take
  }

  #beginOther(): void {
    this.#left = this.#length
    if (this.#left > 0) this.#state = IN_SKIPPED
    this.#error = this.#sink.onOther(this.#type, this.#streamId)
  }

  #skip(at: number, end: number): number {
    const take = Math.min(this.#left, end - at)
    this.#left -= take
    if (this.#left === 0) this.#state = IN_HEADER
    return at + take
  }

  #readPayload(buf: Buffer, at: number, end: number): number {
    const length = this.#length
    if (this.#heldBytes === 0 && end - at >= length) {
      this.#state = IN_HEADER
      this.#dispatch(buf, at, at + length)
      return at + length
    }
    if (this.#heldBytes === 0) this.#held = Buffer.allocUnsafe(length)
    const take = Math.min(length - this.#heldBytes, end - at)
    buf.copy(this.#held, this.#heldBytes, at, at + take)
    this.#heldBytes += take
    if (this.#heldBytes === length) {
      const held = this.#held
      this.#held = NOTHING
      this.#heldBytes = 0
      this.#state = IN_HEADER
      this.#dispatch(held, 0, length)
    }
    return at + take
  }

  /** A whole payload, of any type but DATA and unknown ones. */
  #dispatch(buf: Buffer, start: number, end: number): void {
    switch (this.#type) {
      case HEADERS:
        this.#error = this.#headers(buf, start, end)
        break
      case CONTINUATION:
        this.#error = this.#continuation(buf, start, end)
        break
      case WINDOW_UPDATE:
        this.#error = this.#windowUpdate(uint32(buf, start) & MAX_31)
        break
      case RST_STREAM:
        this.#error = this.#sink.onRstStream(this.#streamId, uint32(buf, start))
        break
      case PING:
        this.#error = this.#sink.onPing((this.#flags & ACK) !== 0, buf, start)
        break
      case PRIORITY:
        this.#error = this.#sink.onPriority(this.#streamId)
        break
      case GOAWAY:
        this.#error = this.#sink.onGoaway(uint32(buf, start) & MAX_31, uint32(buf, start + 4), buf, start + 8, end)
        break
      default:
        this.#error = this.#settings(buf, start, end)
    }
  }

  #windowUpdate(increment: number): number {
    return increment === 0 ? PROTOCOL_ERROR : this.#sink.onWindowUpdate(this.#streamId, increment)
  }

  #settings(buf: Buffer, start: number, end: number): number {
    if ((this.#flags & ACK) !== 0) return this.#sink.onSettingsAck()
    for (let at = start; at < end; at += 6) {
      const id = (buf[at]! << 8) | buf[at + 1]!
      const value = uint32(buf, at + 2)
      const fault = settingFault(id, value) || this.#sink.onSetting(id, value)
      if (fault !== 0) return fault
    }
    return this.#sink.onSettingsEnd((end - start) / 6)
  }

  #headers(buf: Buffer, start: number, end: number): number {
    const flags = this.#flags
    const endStream = (flags & END_STREAM) !== 0
    let from = start
    let to = end
    if ((flags & PADDED) !== 0) to -= buf[from++]!
    if ((flags & WITH_PRIORITY) !== 0) from += 5
    if (to < from) return PROTOCOL_ERROR
    if (to - from > this.#limits.maxBlockBytes) return ENHANCE_YOUR_CALM
    if ((flags & END_HEADERS) !== 0) return this.#sink.onHeaders(this.#streamId, endStream, buf, from, to, 0)
    this.#blockStream = this.#streamId
    this.#blockEndsStream = endStream
    this.#blockBytes = 0
    this.#continuations = 0
    this.#collect(buf, from, to)
    return 0
  }

  #continuation(buf: Buffer, start: number, end: number): number {
    if (++this.#continuations > this.#limits.maxContinuations) return ENHANCE_YOUR_CALM
    if (this.#blockBytes + end - start > this.#limits.maxBlockBytes) return ENHANCE_YOUR_CALM
    this.#collect(buf, start, end)
    if ((this.#flags & END_HEADERS) === 0) return 0
    const block = this.#block
    const streamId = this.#blockStream
    this.#block = NOTHING
    this.#blockStream = 0
    return this.#sink.onHeaders(streamId, this.#blockEndsStream, block, 0, this.#blockBytes, this.#continuations)
  }

  /** Append to the header block under way; its memory doubles, so that small pieces are not copied over and over. */
  #collect(buf: Buffer, start: number, end: number): void {
    const needed = this.#blockBytes + end - start
    if (needed > this.#block.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, this.#block.length * 2))
      this.#block.copy(larger, 0, 0, this.#blockBytes)
      this.#block = larger
    }
    buf.copy(this.#block, this.#blockBytes, start, end)
    this.#blockBytes = needed
  }
}
