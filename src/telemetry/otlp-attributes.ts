/**
 * Writing OTLP `KeyValue` attributes (opentelemetry/proto/common/v1/common.proto) as fields of a span, straight into
 * the batch: keys are encoded once, values are copied from the record.
 */
import { isUtf8 } from 'node:buffer'
import { varintLength, writeVarint } from '../core/protobuf.ts'

/** `attributes = 9` of a Span, length-delimited. */
const SPAN_ATTRIBUTE = 0x4a
const ANY_STRING = 0x0a
const ANY_BOOL = 0x10
const ANY_INT = 0x18

/** A key as it stands in every KeyValue of that name: field 1, length, name, and the tag of the value. */
export function attributeKey(name: string): Uint8Array {
  const text = Buffer.from(name)
  return Buffer.from([0x0a, text.length, ...text, 0x12])
}

const hexValue = new Uint8Array(256)
for (let i = 0; i < 16; i++) hexValue['0123456789abcdef'.charCodeAt(i)] = i

/** A position in a byte buffer that attributes are written at. The caller sees to it that there is room. */
export class AttributeSink {
  out: Buffer
  at = 0

  constructor(out: Buffer) {
    this.out = out
  }

  byte(value: number): void {
    this.out[this.at++] = value
  }

  varint(value: number): void {
    this.at = writeVarint(this.out, this.at, value)
  }

  /** An id of `length` bytes as a field of that tag, from its hex digits at `at` of a record. */
  id(tag: number, length: number, from: Uint8Array, at: number): void {
    const { out } = this
    let to = this.at
    out[to++] = tag
    out[to++] = length
    for (let i = at; i < at + length * 2; i += 2) out[to++] = (hexValue[from[i]!]! << 4) | hexValue[from[i + 1]!]!
    this.at = to
  }

  /** Ready-made bytes. */
  block(block: Uint8Array): void {
    const { length } = block
    if (length <= 96) {
      this.part(block, 0, length)
      return
    }
    this.out.set(block, this.at)
    this.at += length
  }

  /** Some of them; few, or it is slow. */
  part(block: Uint8Array, start: number, end: number): void {
    const { out } = this
    let at = this.at
    for (let i = start; i < end; i++) out[at++] = block[i]!
    this.at = at
  }

  #key(key: Uint8Array, valueLength: number): void {
    const { out } = this
    let at = this.at
    out[at++] = SPAN_ATTRIBUTE
    at = writeVarint(out, at, key.length + varintLength(valueLength) + valueLength)
    const length = key.length
    for (let i = 0; i < length; i++) out[at++] = key[i]!
    this.at = writeVarint(out, at, valueLength)
  }

  /** A string attribute from latin1 bytes of a record; what is not ASCII is taken for UTF-8 if it is valid. */
  range(key: Uint8Array, from: Buffer, start: number, end: number): void {
    const begin = this.at
    const length = end - start
    this.#key(key, 1 + varintLength(length) + length)
    this.out[this.at++] = ANY_STRING
    this.at = writeVarint(this.out, this.at, length)
    if (this.ascii(from, start, end)) return
    this.at = begin
    this.string(key, textOf(from, start, end))
  }

  /** Copy bytes; false, with the position unchanged, where one of them is not ASCII. */
  ascii(from: Uint8Array, start: number, end: number): boolean {
    const { out } = this
    let at = this.at
    let seen = 0
    for (let i = start; i < end; i++) {
      const byte = from[i]!
      seen |= byte
      out[at++] = byte
    }
    if (seen > 0x7f) return false
    this.at = at
    return true
  }

  /** A string attribute of `prefix` (ASCII) and record bytes; false, with nothing written, where those are not ASCII. */
  prefixed(key: Uint8Array, prefix: Uint8Array, from: Buffer, start: number, end: number): boolean {
    const begin = this.at
    const length = prefix.length + end - start
    this.#key(key, 1 + varintLength(length) + length)
    this.out[this.at++] = ANY_STRING
    this.at = writeVarint(this.out, this.at, length)
    this.block(prefix)
    if (this.ascii(from, start, end)) return true
    this.at = begin
    return false
  }

  string(key: Uint8Array, value: string): void {
    const length = Buffer.byteLength(value)
    this.#key(key, 1 + varintLength(length) + length)
    this.out[this.at++] = ANY_STRING
    this.at = writeVarint(this.out, this.at, length)
    this.at += this.out.write(value, this.at, 'utf8')
  }

  /** An integer of 0 … 2^53. */
  int(key: Uint8Array, value: number): void {
    const { out } = this
    let at = this.at
    const length = varintLength(value)
    out[at++] = SPAN_ATTRIBUTE
    // Keys are short: this length and the value's are single bytes.
    out[at++] = key.length + 2 + length
    const keyLength = key.length
    for (let i = 0; i < keyLength; i++) out[at++] = key[i]!
    out[at++] = length + 1
    out[at++] = ANY_INT
    this.at = writeVarint(out, at, value)
  }

  bool(key: Uint8Array, value: boolean): void {
    this.#key(key, 2)
    this.out[this.at++] = ANY_BOOL
    this.out[this.at++] = value ? 1 : 0
  }

  /** An encoded message as a field of the span. */
  message(field: number, message: Uint8Array): void {
    this.varint(field * 8 + 2)
    this.varint(message.length)
    this.out.set(message, this.at)
    this.at += message.length
  }

  /** The bytes written since `start`, copied, with the position set back: for blocks that are used again. */
  cut(start: number): Uint8Array {
    const block = Uint8Array.prototype.slice.call(this.out, start, this.at)
    this.at = start
    return block
  }
}

/** Text of record bytes: UTF-8 where they are valid UTF-8, else latin1, since OTLP strings must be valid UTF-8. */
export function textOf(from: Buffer, start: number, end: number): string {
  return decodeText(from.toString('latin1', start, end))
}

/** The same for bytes that are in a latin1 string. */
export function decodeText(latin1: string): string {
  const bytes = Buffer.from(latin1, 'latin1')
  return isUtf8(bytes) ? bytes.toString('utf8') : latin1
}
