/**
 * Finds the end of a Thrift struct without keeping anything of it: an unframed message says nowhere how long it is.
 * One walker for each encoding; both are fed in any pieces, and pass over strings and arrays without looking inside.
 */
import { isBinaryField, readVarint } from './thrift-header.ts'
import { DOUBT, MORE } from './unit-reader.ts'

/** Structs and collections within each other; libraries stop at the same depth. */
const MAX_DEPTH = 64

/** A level of nesting: a struct, or a collection with its elements left. */
const STRUCT = 0
const ELEMENTS = 1
const VARINTS = 2

const NOT_THERE = -1
const WRONG = -2

/** Longest piece that must be seen whole: a field head with its id, and a varint of 64 bits. */
export const WALK_BYTES = 24

export abstract class StructWalker {
  /** Bytes to pass over before going on, set by {@link walk}. */
  skip = 0
  protected depth = 0
  readonly #mode = new Uint8Array(MAX_DEPTH)
  readonly #left = new Float64Array(MAX_DEPTH)
  readonly #key = new Uint8Array(MAX_DEPTH)
  readonly #value = new Uint8Array(MAX_DEPTH)

  /** A struct begins. */
  begin(): void {
    this.depth = 0
    this.skip = 0
    this.push(STRUCT, 0, 0, 0)
  }

  /** The outermost struct is over. */
  get done(): boolean {
    return this.depth === 0
  }

  /** Walk over what is there: bytes used, {@link MORE}, or {@link DOUBT}. Stops where {@link skip} is to be done. */
  walk(buf: Buffer, start: number, end: number): number {
    let at = start
    this.skip = 0
    while (this.depth > 0 && this.skip === 0) {
      const used = this.#step(buf, at, end)
      if (used === WRONG) return DOUBT
      if (used === NOT_THERE) break
      at += used
    }
    return at === start ? MORE : at - start
  }

  #step(buf: Buffer, at: number, end: number): number {
    const level = this.depth - 1
    if (this.#mode[level] === STRUCT) return this.field(buf, at, end)
    if (this.#left[level] === 0) {
      this.depth--
      return 0
    }
    if (this.#mode[level] === VARINTS) return this.#varints(level, buf, at, end)
    const type = this.#left[level]! % 2 === 0 ? this.#key[level]! : this.#value[level]!
    const used = this.element(type, buf, at, end)
    // A nested level stands above this one by now.
    if (used >= 0) this.#left[level]!--
    return used
  }

  #varints(level: number, buf: Buffer, start: number, end: number): number {
    let at = start
    let left = this.#left[level]!
    while (at < end && left > 0) if (buf[at++]! < 0x80) left--
    this.#left[level] = left
    return at === start ? NOT_THERE : at - start
  }

  protected push(mode: number, left: number, key: number, value: number): boolean {
    if (this.depth === MAX_DEPTH) return false
    this.#mode[this.depth] = mode
    this.#left[this.depth] = left
    this.#key[this.depth] = key
    this.#value[this.depth] = value
    this.depth++
    return true
  }

  /** `used` bytes, behind which `bytes` are passed over, at once where they are there. */
  protected pass(used: number, bytes: number, at: number, end: number): number {
    if (at + used + bytes <= end) return used + bytes
    this.skip = bytes
    return used
  }

  /** A field, or the end of the struct. */
  protected abstract field(buf: Buffer, at: number, end: number): number
  /** The beginning of a value in a collection: fixed-size values and strings whole. */
  protected abstract element(type: number, buf: Buffer, at: number, end: number): number

  protected nested(used: number): number {
    return this.push(STRUCT, 0, 0, 0) ? used : WRONG
  }

  /**
   * A collection of `count` elements, or of as many pairs: `sizes` are those of fixed ones and 0 for others. Elements of
   * a list are all of the type `value`; in a map there are as many keys as values, and an even rest means a key.
   */
  protected collection(
    used: number,
    count: number,
    key: number,
    value: number,
    sizes: Uint8Array,
    at: number,
    end: number,
  ): number {
    const fixed = sizes[value]! > 0 && (key === 0 || sizes[key]! > 0)
    if (fixed) return this.pass(used, count * (sizes[value]! + (key === 0 ? 0 : sizes[key]!)), at, end)
    const pushed = key === 0 ? this.push(ELEMENTS, count, value, value) : this.push(ELEMENTS, count * 2, key, value)
    return pushed ? used : WRONG
  }

  protected varintList(used: number, count: number): number {
    return this.push(VARINTS, count, 0, 0) ? used : WRONG
  }
}

// === binary: thrift-binary-protocol.md ===

const B_STRING = 11
const B_STRUCT = 12
const B_MAP = 13
const B_SET = 14
const B_LIST = 15

/** Bytes of a value by type: bool, byte, double, i16, i32, i64, uuid. */
const BINARY_SIZES = new Uint8Array(256)
for (const [type, bytes] of [
  [2, 1],
  [3, 1],
  [4, 8],
  [6, 2],
  [8, 4],
  [10, 8],
  [16, 16],
] as const)
  BINARY_SIZES[type] = bytes

export class BinaryWalker extends StructWalker {
  protected field(buf: Buffer, at: number, end: number): number {
    if (at >= end) return NOT_THERE
    const type = buf[at]!
    if (type === 0) {
      this.depth--
      return 1
    }
    if (end - at < 3) return NOT_THERE
    const used = this.element(type, buf, at + 3, end)
    return used < 0 ? used : used + 3
  }

  protected element(type: number, buf: Buffer, at: number, end: number): number {
    const size = BINARY_SIZES[type]!
    if (size > 0) return end - at >= size ? size : NOT_THERE
    if (type === B_STRUCT) return this.nested(0)
    const head = type === B_STRING ? 4 : type === B_MAP ? 6 : 5
    if (type !== B_STRING && type !== B_MAP && type !== B_SET && type !== B_LIST) return WRONG
    if (end - at < head) return NOT_THERE
    const count = buf.readInt32BE(at + head - 4)
    if (count < 0) return WRONG
    if (type === B_STRING) return this.pass(head, count, at, end)
    const value = buf[at + head - 5]!
    const key = type === B_MAP ? buf[at]! : 0
    if (count === 0) return head
    if (value === 0 || !isBinaryField(value) || (type === B_MAP && (key === 0 || !isBinaryField(key)))) return WRONG
    return this.collection(head, count, key, value, BINARY_SIZES, at, end)
  }
}

// === compact: thrift-compact-protocol.md ===

const C_TRUE = 1
const C_FALSE = 2
const C_BINARY = 8
const C_MAP = 11
const C_STRUCT = 12
const C_UUID = 13
const LONGEST_VARINT_BYTES = 10

/** Bytes of an element by type: bool, byte, double, uuid. i16, i32 and i64 are varints. */
const COMPACT_SIZES = new Uint8Array(256)
for (const [type, bytes] of [
  [C_TRUE, 1],
  [C_FALSE, 1],
  [3, 1],
  [7, 8],
  [C_UUID, 16],
] as const)
  COMPACT_SIZES[type] = bytes

const isVarint = (type: number): boolean => type >= 4 && type <= 6
const isCompactType = (type: number): boolean => type >= C_TRUE && type <= C_UUID

export class CompactWalker extends StructWalker {
  protected field(buf: Buffer, at: number, end: number): number {
    if (at >= end) return NOT_THERE
    const head = buf[at]!
    if (head === 0) {
      this.depth--
      return 1
    }
    const type = head & 0xf
    if (!isCompactType(type)) return WRONG
    let used = 1
    if (head >> 4 === 0) {
      const id = readVarint(buf, at + 1, end)
      if (id === 'more') return NOT_THERE
      if (id === 'no') return WRONG
      used = id.next - at
    }
    // The value of a bool is its type.
    if (type === C_TRUE || type === C_FALSE) return used
    const value = this.element(type, buf, at + used, end)
    return value < 0 ? value : used + value
  }

  protected element(type: number, buf: Buffer, at: number, end: number): number {
    const size = COMPACT_SIZES[type]!
    if (size > 0) return end - at >= size ? size : NOT_THERE
    if (isVarint(type)) return this.#varint(buf, at, end)
    if (type === C_STRUCT) return this.nested(0)
    if (at >= end) return NOT_THERE
    if (type === C_BINARY) {
      const length = readVarint(buf, at, end)
      if (typeof length === 'string') return length === 'more' ? NOT_THERE : WRONG
      return this.pass(length.next - at, length.value, at, end)
    }
    return type === C_MAP ? this.#map(buf, at, end) : this.#list(buf, at, end)
  }

  #varint(buf: Buffer, at: number, end: number): number {
    for (let i = 0; i < LONGEST_VARINT_BYTES; i++) {
      if (at + i >= end) return NOT_THERE
      if (buf[at + i]! < 0x80) return i + 1
    }
    return WRONG
  }

  #list(buf: Buffer, at: number, end: number): number {
    const type = buf[at]! & 0xf
    let count = buf[at]! >> 4
    let used = 1
    if (count === 15) {
      const long = readVarint(buf, at + 1, end)
      if (typeof long === 'string') return long === 'more' ? NOT_THERE : WRONG
      count = long.value
      used = long.next - at
    }
    if (count === 0) return used
    if (!isCompactType(type)) return WRONG
    return isVarint(type) ? this.varintList(used, count) : this.collection(used, count, 0, type, COMPACT_SIZES, at, end)
  }

  #map(buf: Buffer, at: number, end: number): number {
    const count = readVarint(buf, at, end)
    if (typeof count === 'string') return count === 'more' ? NOT_THERE : WRONG
    if (count.value === 0) return count.next - at
    if (count.next >= end) return NOT_THERE
    const key = buf[count.next]! >> 4
    const value = buf[count.next]! & 0xf
    if (!isCompactType(key) || !isCompactType(value)) return WRONG
    const used = count.next + 1 - at
    if (isVarint(key) && isVarint(value)) return this.varintList(used, count.value * 2)
    return this.collection(used, count.value, key, value, COMPACT_SIZES, at, end)
  }
}
