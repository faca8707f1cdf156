/** Walks the attributes of spans that were checked before, and gives each scalar as hash of its key and text of its value. */
import { WireScan } from '../intake/wire-scan.ts'
import { keyHash, type TokenSet } from './bloom.ts'

/** Longer values are not indexed; they are found by reading. */
export const MAX_INDEXED_BYTES = 256
/** Longest text of a number. */
const DIGITS = 32
/** Attributes up to here are compared with earlier ones. */
const MAX_KNOWN_BYTES = 256

const view = new DataView(new ArrayBuffer(8))
const TRUE = Buffer.from('true')
const FALSE = Buffer.from('false')
const NO_NAMES = {}

/** Places where attributes stood, by a rough hash of their bytes; a power of two. */
const PLACES = 2048

export class AttributeTokens extends WireScan {
  readonly #digits = new Uint8Array(DIGITS)
  /** Where an attribute with such bytes was collected, and its length; 0 for none. */
  readonly #places = new Int32Array(PLACES * 2)
  #words: DataView = new DataView(new ArrayBuffer(0))

  /** Collect from `bytes` into an empty set from here on. Offsets stay good as long as the bytes do. */
  begin(bytes: Uint8Array): void {
    this.bytes = bytes
    this.#words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#places.fill(0)
  }

  /** Attributes of the message at `at` … `end` whose attributes have `tag` (0x4a of a Span, 0x0a of a Resource). */
  collect(at: number, end: number, tag: number, into: TokenSet): void {
    this.at = at
    this.fault = undefined
    while (this.at < end) {
      const found = this.tag(end)
      if (found !== tag) {
        this.skip(found, end, NO_NAMES)
        continue
      }
      const stop = this.block(end)
      if (this.#isKnown(this.at, stop)) this.at = stop
      else this.#attribute(stop, into)
    }
  }

  /** Whether the same bytes were collected before: most attributes of a span are those of the span before it. */
  #isKnown(at: number, end: number): boolean {
    const length = end - at
    if (length < 8 || length > MAX_KNOWN_BYTES) return false
    const words = this.#words
    const last = words.getInt32(end - 4, true)
    const mixed = Math.imul(last ^ (words.getInt32(end - 8, true) >>> 3) ^ (length << 20), 0x9e3779b1)
    const place = ((mixed ^ (mixed >>> 15)) & (PLACES - 1)) * 2
    const places = this.#places
    const before = places[place]!
    const isAsLong = places[place + 1] === length
    places[place] = at
    places[place + 1] = length
    if (!isAsLong) return false
    let i = length - 4
    // From the end, where values are; the last step goes over bytes that were compared.
    for (; i > 0; i -= 4) if (words.getInt32(before + i, true) !== words.getInt32(at + i, true)) return false
    return words.getInt32(before, true) === words.getInt32(at, true)
  }

  #attribute(end: number, into: TokenSet): void {
    let key = 0
    while (this.at < end) {
      const tag = this.tag(end)
      if (tag === 0x0a) {
        const stop = this.block(end)
        key = keyHash(this.bytes, this.at, stop)
        this.at = stop
      } else if (tag === 0x12) this.#value(this.block(end), key, into)
      else this.skip(tag, end, NO_NAMES)
    }
  }

  #value(end: number, key: number, into: TokenSet): void {
    while (this.at < end) {
      const tag = this.tag(end)
      if (tag === 0x0a) {
        const stop = this.block(end)
        if (stop - this.at <= MAX_INDEXED_BYTES) into.add(key, this.bytes, this.at, stop)
        this.at = stop
      } else if (tag === 0x10) {
        const text = this.varint(end) === 0 ? FALSE : TRUE
        into.add(key, text, 0, text.length)
      } else if (tag === 0x18) this.#integer(this.varint(end), key, into)
      else if (tag === 0x21) this.#double(this.take(8, end), key, into)
      else if (tag === 0x2a) this.#list(this.block(end), key, into)
      else this.skip(tag, end, NO_NAMES)
    }
  }

  /** Each item of a list is found by itself: header attributes are lists of one. */
  #list(end: number, key: number, into: TokenSet): void {
    while (this.at < end) {
      const tag = this.tag(end)
      if (tag !== 0x0a) {
        this.skip(tag, end, NO_NAMES)
        continue
      }
      const stop = this.block(end)
      const scalar = this.bytes[this.at]
      if (scalar === 0x2a || scalar === 0x32) this.at = stop
      else this.#value(stop, key, into)
    }
  }

  /** Beyond 2^53 it is a negative number or nearly so, and not indexed. */
  #integer(value: number, key: number, into: TokenSet): void {
    if (value >= 2 ** 53) return
    const digits = this.#digits
    let at = DIGITS
    let rest = value
    for (; rest > 0x7fffffff; ) {
      const tens = Math.floor(rest / 10)
      digits[--at] = 0x30 + (rest - tens * 10)
      rest = tens
    }
    // Small ones, which most are, without fractions on the way.
    rest |= 0
    do {
      const tens = (rest / 10) | 0
      digits[--at] = 0x30 + (rest - tens * 10)
      rest = tens
    } while (rest > 0)
    into.add(key, digits, at, DIGITS)
  }

  #double(at: number, key: number, into: TokenSet): void {
    for (let i = 0; i < 8; i++) view.setUint8(i, this.bytes[at + i] ?? 0)
    const text = Buffer.from(String(view.getFloat64(0, true)))
    into.add(key, text, 0, text.length)
  }
}
