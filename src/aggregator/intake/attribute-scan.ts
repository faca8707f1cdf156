/** Attributes as a scan sees them: stepped over and checked, with the scalar that was read last at hand. */
import { MAX_DEPTH } from '../otlp-attributes.ts'
import { ANY_VALUE, KEY_VALUE, LIST } from '../otlp-fields.ts'
import { findKey, type KeyTable, type Known } from './known-attributes.ts'
import { WireScan } from './wire-scan.ts'

export class AttributeScan extends WireScan {
  /** The text that was read last; `textEnd` 0 where there was none. */
  protected textAt = 0
  protected textEnd = 0
  /** The integer that was read last. */
  protected integer = 0
  /** Where the double that was read last stands, -1 for none. */
  protected doubleAt = -1
  /** Attribute values, events and links that may still come in this request. */
  protected values = 0

  protected spend(): void {
    if (--this.values < 0) this.fail(this.at, 'too many attribute values, events and links')
  }

  /** To the end of a block that nobody looks into. */
  protected to(stop: number): void {
    if (this.fault === undefined) this.at = stop
  }

  /** Step over a KeyValue; if `table` knows the key, its value is in the scalar fields afterwards. */
  protected attribute(end: number, table: KeyTable | undefined): Known | undefined {
    let keyAt = 0
    let keyEnd = 0
    this.textAt = 0
    this.textEnd = 0
    this.integer = 0
    this.doubleAt = -1
    this.spend()
    while (this.at < end) {
      const tag = this.tag(end)
      if (tag === 0x0a) {
        keyEnd = this.block(end)
        keyAt = this.at
        this.to(keyEnd)
      } else if (tag === 0x12) this.#value(this.block(end), 0)
      else this.skip(tag, end, KEY_VALUE)
    }
    if (table === undefined || this.fault !== undefined) return undefined
    return findKey(table, this.bytes, keyAt, keyEnd)
  }

  /** A text in a list counts as well: header attributes are lists of one. */
  #value(end: number, depth: number): void {
    if (depth >= MAX_DEPTH) this.fail(this.at, `values nested over ${MAX_DEPTH} deep`)
    while (this.at < end) {
      const tag = this.tag(end)
      switch (tag) {
        case 0x0a: {
          const stop = this.block(end)
          this.textAt = this.at
          this.textEnd = stop
          this.to(stop)
          break
        }
        case 0x10:
          this.varint(end)
          break
        case 0x18:
          this.integer = this.varint(end)
          break
        case 0x21:
          this.doubleAt = this.take(8, end)
          break
        case 0x2a:
          this.#list(this.block(end), depth + 1)
          break
        case 0x32:
          this.#map(this.block(end), depth + 1)
          break
        case 0x3a:
          this.to(this.block(end))
          break
        default:
          this.skip(tag, end, ANY_VALUE)
      }
    }
  }

  #list(end: number, depth: number): void {
    while (this.at < end) {
      const tag = this.tag(end)
      if (tag === 0x0a) {
        this.spend()
        this.#value(this.block(end), depth)
      } else this.skip(tag, end, LIST)
    }
  }

  #map(end: number, depth: number): void {
    while (this.at < end) {
      const tag = this.tag(end)
      if (tag !== 0x0a) {
        this.skip(tag, end, LIST)
        continue
      }
      this.spend()
      const stop = this.block(end)
      while (this.at < stop) {
        const inner = this.tag(stop)
        if (inner === 0x0a) this.to(this.block(stop))
        else if (inner === 0x12) this.#value(this.block(stop), depth)
        else this.skip(inner, stop, KEY_VALUE)
      }
    }
  }
}
