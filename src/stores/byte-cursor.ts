/** Writing and reading of the stores' own binary form: little endian, strings latin1 as on the wire, led by their length. */

import { fieldsOf, linesOf } from '../core/field-lines.ts'
import { latin1, writeLatin1 } from '../core/latin1.ts'

const NO_NAME = /[:\r\n]/
const NO_VALUE = /[\r\n]/

/** Thrown by {@link ByteReader} where the bytes end before the form does; never leaves the codec. */
export class OutOfBytes extends Error {}

export function stringSize(text: string): number {
  return 4 + text.length
}

/** Of lines of fields, as {@link ByteWriter.fields} writes them. */
export function fieldsSize(lines: string): number {
  let bytes = 4
  for (const [name, value] of fieldsOf(lines)) bytes += stringSize(name) + stringSize(value)
  return bytes
}

/** Into a buffer that is large enough: sizes are reckoned before. */
export class ByteWriter {
  readonly bytes: Buffer
  readonly #view: DataView
  at = 0

  constructor(bytes: Buffer) {
    this.bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  u8(value: number): void {
    this.#view.setUint8(this.at, value)
    this.at += 1
  }

  u16(value: number): void {
    this.#view.setUint16(this.at, value, true)
    this.at += 2
  }

  u32(value: number): void {
    this.#view.setUint32(this.at, value, true)
    this.at += 4
  }

  f64(value: number): void {
    this.#view.setFloat64(this.at, value, true)
    this.at += 8
  }

  /** Led by its length. */
  string(text: string): void {
    this.u32(text.length)
    this.text(text)
  }

  /** Without its length. */
  text(text: string): void {
    if (text.length > this.bytes.length - this.at) throw new RangeError('a string has no room where it is written')
    writeLatin1(this.bytes, text, this.at)
    this.at += text.length
  }

  raw(bytes: Buffer): void {
    this.bytes.set(bytes, this.at)
    this.at += bytes.length
  }

  /** Lines of fields as their number, names and values. */
  fields(lines: string): void {
    const fields = fieldsOf(lines)
    this.u32(fields.length)
    for (const [name, value] of fields) {
      this.string(name)
      this.string(value)
    }
  }
}

export class ByteReader {
  readonly #bytes: Buffer
  #at: number

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes
    this.#at = at
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  #take(size: number): number {
    if (size > this.left) throw new OutOfBytes()
    const from = this.#at
    this.#at += size
    return from
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#take(1))
  }

  u16(): number {
    return this.#bytes.readUInt16LE(this.#take(2))
  }

  u32(): number {
    return this.#bytes.readUInt32LE(this.#take(4))
  }

  f64(): number {
    return this.#bytes.readDoubleLE(this.#take(8))
  }

  string(): string {
    return this.text(this.u32())
  }

  text(length: number): string {
    const from = this.#take(length)
    return latin1(this.#bytes, from, from + length)
  }

  skip(length: number): void {
    this.#take(length)
  }

  /** A view, not a copy. */
  raw(length: number): Buffer {
    const from = this.#take(length)
    return this.#bytes.subarray(from, from + length)
  }

  /** Lines of fields. Throws RangeError where a name or value would not stay one. */
  fields(): string {
    const count = this.u32()
    // Eight bytes a field at the least: a count that cannot be is not allocated for.
    if (count * 8 > this.left) throw new OutOfBytes()
    const fields: [string, string][] = []
    for (let i = 0; i < count; i++) {
      const [name, value] = [this.string(), this.string()]
      if (NO_NAME.test(name) || NO_VALUE.test(value)) throw new RangeError('no field of a message')
      fields.push([name, value])
    }
    return linesOf(fields)
  }
}
