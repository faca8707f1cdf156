/**
 * Frames on their way out. All that one batch of events writes, on whatever streams, is gathered and leaves in one
 * write. While the last frame of a stream is still here, the end of the stream is a bit set in it and no frame more.
 */
import { giveSlab, takeSlab } from '../../../net/slabs.ts'
import type { Wire } from '../../../net/wire.ts'
import {
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  FRAME_HEADER,
  goawayFrame,
  HEADERS,
  pingFrame,
  rstFrame,
  settingsAckFrame,
  settingsFrame,
  windowUpdateFrame,
  writeFrameHeader,
} from './frames.ts'

/** Gathered at most, before it is written anyway. */
const CAPACITY = 96 * 1024
/** The same where slow readers hold all slabs. */
const SMALL_CAPACITY = 8 * 1024
/** From here on the slab itself is handed to the socket, below that a copy of its bytes. */
const HAND_OVER_BYTES = 8 * 1024
/** Debug text of a GOAWAY. */
const DEBUG_AT_MOST = 200
const NOTHING = Buffer.alloc(0)

export class FrameOutput {
  readonly #wire: Wire
  #buffer: Buffer | undefined
  #isSlab = false
  #length = 0
  /** Where the flags of the frame written last are, and its stream; -1 after a flush. */
  #flagsAt = -1
  #flagsStream = 0
  /** The peer's SETTINGS_MAX_FRAME_SIZE, bounded by what one buffer takes. */
  maxFrameBytes = 16_384

  constructor(wire: Wire) {
    this.#wire = wire
  }

  /** Room for `bytes` more, at the offset that is returned. */
  #room(bytes: number): number {
    if (this.#buffer !== undefined && this.#length + bytes > this.#buffer.length) this.flush()
    if (this.#buffer === undefined) {
      const slab = takeSlab(Math.max(CAPACITY, bytes))
      this.#isSlab = slab !== undefined
      this.#buffer = slab ?? Buffer.allocUnsafe(Math.max(SMALL_CAPACITY, bytes))
    }
    return this.#length
  }

  /** A header block as HEADERS and, where it is over the peer's frame size, CONTINUATIONs. */
  headers(streamId: number, block: Buffer, endStream: boolean): void {
    let from = 0
    let type = HEADERS
    do {
      const size = Math.min(block.length - from, this.maxFrameBytes)
      const last = from + size === block.length
      const flags = (last ? END_HEADERS : 0) | (type === HEADERS && endStream ? END_STREAM : 0)
      const at = this.#room(FRAME_HEADER + size)
      const to = writeFrameHeader(this.#buffer!, at, size, type, flags, streamId)
      block.copy(this.#buffer!, to, from, from + size)
      this.#length = to + size
      from += size
      // The end of the stream is a flag of HEADERS, and of no CONTINUATION.
      this.#mark(type === HEADERS && last ? at : -1, streamId)
      type = CONTINUATION
    } while (from < block.length)
  }

  /** One DATA frame; the caller has seen to windows and frame size. */
  data(streamId: number, buf: Buffer, start: number, end: number, endStream: boolean): void {
    const at = this.#room(FRAME_HEADER + end - start)
    const to = writeFrameHeader(this.#buffer!, at, end - start, DATA, endStream ? END_STREAM : 0, streamId)
    buf.copy(this.#buffer!, to, start, end)
    this.#length = to + end - start
    this.#mark(at, streamId)
  }

  /** End a stream: in its last frame where that is still here, else by an empty DATA frame. */
  endStream(streamId: number): void {
    if (this.#flagsAt !== -1 && this.#flagsStream === streamId) this.#buffer![this.#flagsAt]! |= END_STREAM
    else this.data(streamId, NOTHING, 0, 0, true)
  }

  #mark(at: number, streamId: number): void {
    this.#flagsAt = at === -1 ? -1 : at + 4
    this.#flagsStream = streamId
  }

  settings(settings: readonly (readonly [number, number])[]): void {
    this.#control(FRAME_HEADER + settings.length * 6, (out, at) => settingsFrame(out, at, settings))
  }

  settingsAck(): void {
    const at = this.#room(FRAME_HEADER)
    this.#length = settingsAckFrame(this.#buffer!, at)
    this.#flagsAt = -1
  }

  ping(ack: boolean, data: Buffer, from: number): void {
    const at = this.#room(FRAME_HEADER + 8)
    this.#length = pingFrame(this.#buffer!, at, ack, data, from)
    this.#flagsAt = -1
  }

  goaway(lastStreamId: number, code: number, debug: string): void {
    const text = debug.slice(0, DEBUG_AT_MOST)
    this.#control(FRAME_HEADER + 8 + text.length, (out, at) => goawayFrame(out, at, lastStreamId, code, text))
  }

  reset(streamId: number, code: number): void {
    const at = this.#room(FRAME_HEADER + 4)
    this.#length = rstFrame(this.#buffer!, at, streamId, code)
    this.#flagsAt = -1
  }

  windowUpdate(streamId: number, increment: number): void {
    const at = this.#room(FRAME_HEADER + 4)
    this.#length = windowUpdateFrame(this.#buffer!, at, streamId, increment)
    this.#flagsAt = -1
  }

  /** Bytes as they are: the preface. */
  raw(bytes: Buffer): void {
    this.#control(bytes.length, (out, at) => {
      bytes.copy(out, at)
      return at + bytes.length
    })
  }

  #control(bytes: number, write: (out: Buffer, at: number) => number): void {
    const at = this.#room(bytes)
    this.#length = write(this.#buffer!, at)
    this.#flagsAt = -1
  }

  /** Write out what was gathered. */
  flush(): void {
    const buffer = this.#buffer
    if (buffer === undefined) return
    const length = this.#length
    this.#buffer = undefined
    this.#length = 0
    this.#flagsAt = -1
    if (this.#isSlab && length >= HAND_OVER_BYTES) {
      this.#wire.writeSlab(buffer, length)
      return
    }
    if (length > 0) this.#wire.writeCopy(buffer, 0, length)
    if (this.#isSlab) giveSlab(buffer)
  }

  /** The connection is gone: give back what was gathered. */
  drop(): void {
    if (this.#buffer !== undefined && this.#isSlab) giveSlab(this.#buffer)
    this.#buffer = undefined
    this.#length = 0
    this.#flagsAt = -1
  }
}
