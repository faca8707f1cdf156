/**
 * HPACK decoder (RFC 7541 §3.2, §6). What a table holds is given out as the same strings each time, so that a request like
 * the one before costs no memory. Work is bounded by the bytes of the block whatever they refer to: once a header list is over
 * its limit its fields are neither reported nor made, and only the table is kept in step.
 */
import type { FieldReceiver } from '../../../core/headers.ts'
import { huffmanDecode } from './hpack-huffman.ts'
import { STATIC_ENTRIES, STATIC_NAMES, STATIC_VALUES } from './hpack-static.ts'
import { DEFAULT_TABLE_BYTES, fieldSize, HpackTable } from './hpack-table.ts'

/** All fields of the block were reported. */
export const HPACK_OK = 0 as const
/** The list has more bytes or fields than allowed; the first ones were reported. The connection can go on. */
export const HPACK_TOO_LARGE = 1 as const
/** No valid block: the table is out of step and the connection has to end with COMPRESSION_ERROR. */
export const HPACK_FAULT = 2 as const
export type HpackResult = typeof HPACK_OK | typeof HPACK_TOO_LARGE | typeof HPACK_FAULT

/** Bytes that an integer may have beyond its prefix; four hold 28 bits, more than any block is long. */
const INTEGER_BYTES = 4
/** A smallest and a final size: more updates at the start of a block say nothing (RFC 7541 §4.2). */
const SIZE_UPDATES = 2
/** Shortest and longest codes are 5 and 30 bits. */
const LONGEST_CODE = 30

interface Latin1 {
  latin1Slice(start: number, end: number): string
}
const { latin1Slice } = Buffer.prototype as Buffer & Latin1

/** Where strings are decoded; shared by all connections, since it is read at once. Grows with the largest block. */
let scratch = Buffer.allocUnsafeSlow(4096)

/** Decodes the header blocks of one direction of one connection, in their order. */
export class HpackDecoder {
  readonly #table: HpackTable
  readonly #maxTableBytes: number
  #buf: Uint8Array = scratch
  #at = 0
  #end = 0
  #fault = false

  /**
   * `maxTableBytes`: our SETTINGS_HEADER_TABLE_SIZE. `startBytes` is the table's size until the peer changes it: the
   * default holds until the peer knows of our setting.
   */
  constructor(maxTableBytes: number, startBytes = DEFAULT_TABLE_BYTES) {
    this.#maxTableBytes = Math.max(maxTableBytes, startBytes)
    this.#table = new HpackTable(startBytes)
  }

  /** Bytes that the dynamic table holds, by RFC 7541 §4.1. */
  get tableBytes(): number {
    return this.#table.bytes
  }

  /**
   * Report the fields of the block `buf[start, end)` to `to`. The list may have `maxListBytes` (each field counts 32 more
   * than its characters, RFC 9113 §10.5.1) and `maxFields`.
   */
  decode(
    buf: Uint8Array,
    start: number,
    end: number,
    maxListBytes: number,
    maxFields: number,
    to: FieldReceiver,
  ): HpackResult {
    this.#buf = buf
    this.#at = start
    this.#end = end
    this.#fault = false
    const result = this.#fields(maxListBytes, maxFields, to)
    this.#buf = scratch
    return result
  }

  #fields(maxListBytes: number, maxFields: number, to: FieldReceiver): HpackResult {
    const buf = this.#buf
    const end = this.#end
    const table = this.#table
    let room = maxListBytes
    let fieldsLeft = maxFields
    if (this.#at < end && (buf[this.#at]! & 0xe0) === 0x20 && !this.#sizeUpdates()) return HPACK_FAULT
    while (this.#at < end) {
      const byte = buf[this.#at]!
      let name: string | undefined
      let value: string | undefined
      if (byte >= 0x80) {
        const index = this.#integer(0x7f)
        if (index > STATIC_ENTRIES) {
          const entry = index - STATIC_ENTRIES - 1
          if (entry >= table.count) return HPACK_FAULT
          if (room < 0) continue
          name = table.nameAt(entry)
          value = table.valueAt(entry)
        } else {
          if (index <= 0) return HPACK_FAULT
          name = STATIC_NAMES[index]!
          value = STATIC_VALUES[index]!
        }
      } else if (byte >= 0x40) {
        const most = Math.max(room, table.capacity)
        name = this.#name(0x3f, most)
        value = this.#string(most)
        if (this.#fault) return HPACK_FAULT
        if (name !== undefined && value !== undefined) table.insert(name, value)
        else table.makeRoom(table.capacity + 1)
      } else if (byte >= 0x20) {
        return HPACK_FAULT // a size update behind a field
      } else {
        name = this.#name(0x0f, room)
        value = this.#string(room)
        if (this.#fault) return HPACK_FAULT
      }
      if (room < 0) continue
      if (name === undefined || value === undefined || fieldsLeft-- === 0) {
        room = -1
        continue
      }
      room -= fieldSize(name, value)
      if (room >= 0) to.onField(name, value, (byte & 0xf0) === 0x10)
    }
    return room < 0 ? HPACK_TOO_LARGE : HPACK_OK
  }

  /** The size updates that a block may begin with. False: more than may be, or too large. */
  #sizeUpdates(): boolean {
    for (let updates = 0; this.#at < this.#end && (this.#buf[this.#at]! & 0xe0) === 0x20; updates++) {
      const size = this.#integer(0x1f)
      if (size < 0 || size > this.#maxTableBytes || updates === SIZE_UPDATES) return false
      this.#table.resize(size)
    }
    return true
  }

  /** An integer whose prefix is `mask` (RFC 7541 §5.1), or -1. */
  #integer(mask: number): number {
    const buf = this.#buf
    let value = buf[this.#at++]! & mask
    if (value !== mask) return value
    for (let shift = 0; shift < INTEGER_BYTES * 7; shift += 7) {
      if (this.#at >= this.#end) return -1
      const byte = buf[this.#at++]!
      value += (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    return -1
  }

  /** The name of a literal field: by index, or a string. See {@link #string}. */
  #name(mask: number, most: number): string | undefined {
    const index = this.#integer(mask)
    if (index === 0) return this.#string(most)
    if (index > 0 && index <= STATIC_ENTRIES) return STATIC_NAMES[index]!
    const entry = index - STATIC_ENTRIES - 1
    if (index > 0 && entry < this.#table.count) return this.#table.nameAt(entry)
    this.#fault = true
    return undefined
  }

  /** A string (RFC 7541 §5.2) of at most `most` characters; undefined where it has more, or by a fault, which is noted. */
  #string(most: number): string | undefined {
    if (this.#fault) return undefined
    const coded = this.#at < this.#end && this.#buf[this.#at]! >= 0x80
    const length = this.#at < this.#end ? this.#integer(0x7f) : -1
    const start = this.#at
    if (length < 0 || length > this.#end - start) {
      this.#fault = true
      return undefined
    }
    this.#at = start + length
    if (!coded) return length <= most ? latin1Slice.call(this.#buf, start, start + length) : undefined
    if (length * 8 > (most + 1) * LONGEST_CODE) return undefined
    return this.#decoded(start, length, most)
  }

  #decoded(start: number, length: number, most: number): string | undefined {
    if (length * 2 > scratch.length) scratch = Buffer.allocUnsafeSlow(length * 2)
    const bytes = huffmanDecode(this.#buf, start, start + length, scratch)
    if (bytes < 0) this.#fault = true
    return bytes < 0 || bytes > most ? undefined : latin1Slice.call(scratch, 0, bytes)
  }
}
