/** Walks the attributes of spans that were checked before, and gives each scalar as bytes of key and text of value. */
import { WireScan } from '../intake/wire-scan.ts'
import type { TokenSet } from './bloom.ts'

const SCRATCH = 1024
/** Longer values are not indexed; they are found by reading. */
export const MAX_INDEXED_BYTES = 256

const view = new DataView(new ArrayBuffer(8))

export class AttributeTokens extends WireScan {
  /** Key and text of a number that has to be written out. */
  readonly #scratch = Buffer.alloc(SCRATCH)

  /** Attributes of the message at `at` … `end` whose attributes have `tag` (0x4a of a Span, 0x0a of a Resource). */
  collect(bytes: Uint8Array, at: number, end: number, tag: number, into: TokenSet): void {
    this.bytes = bytes
    this.at = at
    this.fault = undefined
    while (this.at < end) {
      const found = this.tag(end)
      if (found === tag) this.#attribute(this.block(end), into)
      else this.skip(found, end, NO_NAMES)
    }
  }

  #attribute(end: number, into: TokenSet): void {
    let keyAt = 0
    let keyEnd = 0
    while (this.at < end) {
      const tag = this.tag(end)
      if (tag === 0x0a) {
        keyEnd = this.block(end)
        keyAt = this.at
        this.at = keyEnd
      } else if (tag === 0x12) this.#value(this.block(end), keyAt, keyEnd, into)
      else this.skip(tag, end, NO_NAMES)
    }
  }

  #value(end: number, keyAt: number, keyEnd: number, into: TokenSet): void {
    if (keyEnd - keyAt > MAX_INDEXED_BYTES) {
      this.at = end
      return
    }
    while (this.at < end) {
      const tag = this.tag(end)
      if (tag === 0x0a) {
        const stop = this.block(end)
        if (stop - this.at <= MAX_INDEXED_BYTES) into.add(this.bytes, keyAt, keyEnd, this.at, stop)
        this.at = stop
      } else if (tag === 0x10) this.#text(this.varint(end) === 0 ? 'false' : 'true', keyAt, keyEnd, into)
      else if (tag === 0x18) this.#text(this.#integer(end), keyAt, keyEnd, into)
      else if (tag === 0x21) this.#text(this.#double(this.take(8, end)), keyAt, keyEnd, into)
      else if (tag === 0x2a) this.#list(this.block(end), keyAt, keyEnd, into)
      else this.skip(tag, end, NO_NAMES)
    }
  }

  /** Each item of a list is found by itself: header attributes are lists of one. */
  #list(end: number, keyAt: number, keyEnd: number, into: TokenSet): void {
    while (this.at < end) {
      const tag = this.tag(end)
      if (tag !== 0x0a) {
        this.skip(tag, end, NO_NAMES)
        continue
      }
      const stop = this.block(end)
      const scalar = this.bytes[this.at]
      if (scalar === 0x2a || scalar === 0x32) this.at = stop
      else this.#value(stop, keyAt, keyEnd, into)
    }
  }

  #integer(end: number): string {
    const value = this.varint(end)
    // Beyond 2^63 as a double: a negative number, which few attributes are.
    return value < 2 ** 53 ? String(value) : ''
  }

  #double(at: number): string {
    for (let i = 0; i < 8; i++) view.setUint8(i, this.bytes[at + i] ?? 0)
    return String(view.getFloat64(0, true))
  }

  #text(text: string, keyAt: number, keyEnd: number, into: TokenSet): void {
    const scratch = this.#scratch
    const keyLength = keyEnd - keyAt
    for (let i = 0; i < keyLength; i++) scratch[i] = this.bytes[keyAt + i]!
    const length = scratch.write(text, keyLength, 'latin1')
    into.add(scratch, 0, keyLength, keyLength, keyLength + length)
  }
}

const NO_NAMES = {}
