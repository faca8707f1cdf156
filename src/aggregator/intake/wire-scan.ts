/**
 * A position in protobuf bytes made for speed: nothing is created, numbers are plain. The first fault is kept and moves
 * the position beyond every end, so that loops over fields stop by themselves.
 */
import type { WireFault } from '../wire-cursor.ts'

const BEYOND = Number.MAX_SAFE_INTEGER
const WIRE_TYPES = ['varint', 'fixed64', 'bytes', 'group start', 'group end', 'fixed32', 'type 6', 'type 7']

export class WireScan {
  bytes: Uint8Array = new Uint8Array(0)
  at = 0
  fault: WireFault | undefined = undefined
  /** What fault offsets count from. */
  origin = 0

  fail(offset: number, reason: string): void {
    this.fault ??= { offset: offset - this.origin, reason }
    this.at = BEYOND
  }

  /** A varint as a number; exact to 2^53, beyond that near enough for what reads it. 0 after a fault. */
  varint(end: number): number {
    const { at } = this
    if (at < end) {
      const byte = this.bytes[at]!
      if (byte < 0x80) {
        this.at = at + 1
        return byte
      }
    }
    return this.#longVarint(end)
  }

  #longVarint(end: number): number {
    const { bytes } = this
    const start = this.at
    if (start === BEYOND) return 0
    let value = 0
    let scale = 1
    for (let i = 0; i < 10; i++, scale *= 128) {
      const at = start + i
      if (at >= end) {
        this.fail(start, 'varint is cut off')
        return 0
      }
      const byte = bytes[at]!
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        // The tenth byte holds bit 63 alone.
        if (i === 9 && byte > 1) break
        this.at = at + 1
        return value
      }
    }
    this.fail(start, 'varint over 64 bits')
    return 0
  }

  /** The key of the next field; 0, which is none's, after a fault. */
  tag(end: number): number {
    const start = this.at
    const tag = this.varint(end)
    if (tag >= 8 && tag <= 0xffffffff) return tag
    if (this.fault === undefined) this.fail(start, tag < 8 ? 'field number 0' : 'field key over 32 bits')
    return 0
  }

  /** Reads a length; gives the absolute end of what it covers, or an end that nothing is before. */
  block(end: number): number {
    const start = this.at
    const length = this.varint(end)
    if (length <= end - this.at) return this.at + length
    if (this.fault === undefined) this.fail(start, `length ${length} is over the ${end - this.at} bytes that follow`)
    return 0
  }

  /** Steps over `length` bytes; gives where they start, -1 where they are not there. */
  take(length: number, end: number): number {
    const { at } = this
    if (length <= end - at) {
      this.at = at + length
      return at
    }
    if (this.fault === undefined) this.fail(at, `${end - at} bytes where ${length} should follow`)
    return -1
  }

  /**
   * Step over a field that the caller did not take. A field that `names` knows should not have come here: its wire type
   * is wrong.
   */
  skip(tag: number, end: number, names: Readonly<Record<number, string>>): void {
    if (this.fault !== undefined) return
    const type = tag & 7
    const name = names[tag >>> 3]
    if (name !== undefined) this.fail(this.at, `${name} has wire type ${WIRE_TYPES[type]}`)
    else if (type === 0) this.varint(end)
    else if (type === 1) this.take(8, end)
    else if (type === 5) this.take(4, end)
    else if (type === 2) {
      const stop = this.block(end)
      if (this.fault === undefined) this.at = stop
    } else this.fail(this.at, `field ${tag >>> 3} has wire type ${WIRE_TYPES[type]}`)
  }
}
