/**
 * A position in protobuf bytes (protobuf.dev/programming-guides/encoding) that never throws: the first fault is kept
 * and moves the position beyond every end, so that loops over fields stop by themselves.
 */
import { isUtf8 } from 'node:buffer'
import { BYTES, FIXED32, FIXED64, VARINT } from '../core/protobuf.ts'

/** Why bytes are not the message that they should be. */
export interface WireFault {
  /** Of the first byte that is wrong, from the start of the request. */
  readonly offset: number
  readonly reason: string
}

const WIRE_TYPES = ['varint', 'fixed64', 'bytes', 'group start', 'group end', 'fixed32', 'type 6', 'type 7']
const BEYOND = Number.MAX_SAFE_INTEGER

/** The key of a field on the wire. */
export const tagOf = (field: number, type: number): number => field * 8 + type

export class WireCursor {
  readonly bytes: Buffer
  at = 0
  fault: WireFault | undefined = undefined
  /** Low and high half of the varint that was read last, unsigned. */
  #low = 0
  #high = 0

  readonly #lossy: boolean

  /** `lossy`: text that is not UTF-8 is no fault; what is wrong in it becomes U+FFFD. */
  constructor(bytes: Buffer, lossy = false) {
    this.bytes = bytes
    this.#lossy = lossy
  }

  fail(offset: number, reason: string): void {
    this.fault ??= { offset, reason }
    this.at = BEYOND
  }

  /** The key of the next field; 0, which is none's, after a fault. */
  tag(end: number): number {
    const start = this.at
    this.#varint(end)
    if (this.fault !== undefined) return 0
    if (this.#high !== 0) this.fail(start, 'field key over 32 bits')
    else if (this.#low < 8) this.fail(start, 'field number 0')
    else return this.#low
    return 0
  }

  #varint(end: number): void {
    const { bytes } = this
    const start = this.at
    let at = start
    let low = 0
    let high = 0
    for (let shift = 0; shift < 70; shift += 7) {
      if (at >= end) {
        this.fail(start, 'varint is cut off')
        return
      }
      const byte = bytes[at++]!
      const digit = byte & 0x7f
      if (shift < 28) low |= digit << shift
      else if (shift === 28) {
        low |= digit << 28
        high = digit >>> 4
      } else high |= digit << (shift - 32)
      if (byte < 0x80) {
        // The tenth byte holds bit 63 alone.
        if (shift === 63 && byte > 1) break
        this.#low = low >>> 0
        this.#high = high >>> 0
        this.at = at
        return
      }
    }
    this.fail(start, 'varint over 64 bits')
  }

  /** A uint32 or enum; what does not fit is cut to 32 bits, as protobuf has it. */
  uint32(end: number): number {
    this.#varint(end)
    return this.fault === undefined ? this.#low : 0
  }

  bool(end: number): boolean {
    this.#varint(end)
    return this.fault === undefined && (this.#low !== 0 || this.#high !== 0)
  }

  int64(end: number): number | bigint {
    this.#varint(end)
    if (this.fault !== undefined) return 0
    const value = (this.#high | 0) * 0x100000000 + this.#low
    return Number.isSafeInteger(value) ? value : (BigInt(this.#high | 0) << 32n) | BigInt(this.#low)
  }

  /** Reads a length; gives the absolute end of what it covers. After a fault: an end that nothing is before. */
  block(end: number): number {
    const start = this.at
    this.#varint(end)
    if (this.fault !== undefined) return 0
    if (this.#high === 0 && this.#low <= end - this.at) return this.at + this.#low
    this.fail(start, `length ${this.#high * 0x100000000 + this.#low} is over the ${end - this.at} bytes that follow`)
    return 0
  }

  text(end: number): string {
    const stop = this.block(end)
    if (this.fault !== undefined) return ''
    const { at, bytes } = this
    this.at = stop
    if (this.#lossy || isUtf8(bytes.subarray(at, stop))) return bytes.toString('utf8', at, stop)
    this.fail(at, 'text is not UTF-8')
    return ''
  }

  /** A copy, so that one small value does not keep a whole request in memory. */
  copy(end: number): Uint8Array {
    const stop = this.block(end)
    if (this.fault !== undefined) return new Uint8Array(0)
    const { at } = this
    this.at = stop
    return Uint8Array.prototype.slice.call(this.bytes, at, stop)
  }

  hex(end: number): string {
    const stop = this.block(end)
    if (this.fault !== undefined) return ''
    const { at } = this
    this.at = stop
    // No id is this long: the caller refuses it, and half a megabyte of hex is never made.
    return this.bytes.toString('hex', at, Math.min(stop, at + 64))
  }

  fixed64(end: number): bigint {
    const at = this.#take(8, end)
    return at < 0 ? 0n : this.bytes.readBigUInt64LE(at)
  }

  double(end: number): number {
    const at = this.#take(8, end)
    return at < 0 ? 0 : this.bytes.readDoubleLE(at)
  }

  fixed32(end: number): number {
    const at = this.#take(4, end)
    return at < 0 ? 0 : this.bytes.readUInt32LE(at)
  }

  #take(length: number, end: number): number {
    const { at } = this
    if (this.fault !== undefined) return -1
    if (length > end - at) {
      this.fail(at, `${end - at} bytes where ${length} should follow`)
      return -1
    }
    this.at = at + length
    return at
  }

  /**
   * Step over a field that the caller did not take. A field that `names` knows should not have come here: its wire
   * type is wrong.
   */
  skip(tag: number, end: number, names: Readonly<Record<number, string>>): void {
    if (this.fault !== undefined) return
    const type = tag & 7
    const name = names[tag >>> 3]
    if (name !== undefined) {
      this.fail(this.at, `${name} has wire type ${WIRE_TYPES[type]}`)
      return
    }
    if (type === VARINT) this.#varint(end)
    else if (type === FIXED64) this.#take(8, end)
    else if (type === FIXED32) this.#take(4, end)
    else if (type === BYTES) {
      const stop = this.block(end)
      if (this.fault === undefined) this.at = stop
    } else this.fail(this.at, `field ${tag >>> 3} has wire type ${WIRE_TYPES[type]}`)
  }
}
