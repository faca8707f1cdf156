/** The protobuf wire format by hand (protobuf.dev/programming-guides/encoding): a bounded writer and a reader. */

export const VARINT = 0
export const FIXED64 = 1
export const BYTES = 2
export const FIXED32 = 5

/** Bytes that `value` (an integer of 0 … 2^53) takes as a varint. */
export function varintLength(value: number): number {
  if (value < 0x80) return 1
  if (value < 0x4000) return 2
  if (value < 0x200000) return 3
  if (value < 0x10000000) return 4
  let length = 5
  for (let rest = value / 0x800000000; rest >= 1; rest /= 128) length++
  return length
}

/** Write `value` (an integer of 0 … 2^53) at `at`; gives the position after it. */
export function writeVarint(out: Uint8Array, at: number, value: number): number {
  if (value < 0x80) {
    out[at] = value
    return at + 1
  }
  if (value < 0x4000) {
    out[at] = (value & 0x7f) | 0x80
    out[at + 1] = value >> 7
    return at + 2
  }
  let rest = value
  let position = at
  while (rest >= 0x80000000) {
    out[position++] = (rest % 128) | 0x80
    rest = Math.floor(rest / 128)
  }
  while (rest >= 0x80) {
    out[position++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  out[position++] = rest
  return position
}

/** Nanoseconds of `us` (microseconds since the epoch) as little-endian fixed64: beyond what a double holds. */
export function writeNanosFixed64(out: Uint8Array, at: number, us: number): number {
  const whole = Math.floor(us)
  const upper = Math.floor(whole / 65536) * 1000
  const high = Math.floor(upper / 65536)
  const below = (upper - high * 65536) * 65536 + (whole % 65536) * 1000 + Math.floor((us - whole) * 1000)
  const carry = below >= 0x100000000 ? 1 : 0
  writeFixed32(out, at, below - carry * 0x100000000)
  writeFixed32(out, at + 4, high + carry)
  return at + 8
}

/** Little-endian fixed32. */
export function writeFixed32(out: Uint8Array, at: number, value: number): number {
  out[at] = value
  out[at + 1] = value >>> 8
  out[at + 2] = value >>> 16
  out[at + 3] = value >>> 24
  return at + 4
}

/** A message put together from pieces; for the rare paths, where plain code counts for more than speed. */
export class MessageWriter {
  readonly #parts: Uint8Array[] = []

  #varints(...values: readonly number[]): void {
    const bytes = new Uint8Array(values.length * 10)
    let at = 0
    for (const value of values) at = writeVarint(bytes, at, value)
    this.#parts.push(bytes.subarray(0, at))
  }

  /** A varint field; negative integers as two's complement of 64 bits. */
  integer(field: number, value: number): this {
    if (value >= 0) {
      this.#varints(field * 8 + VARINT, value)
      return this
    }
    this.#varints(field * 8 + VARINT)
    let rest = BigInt.asUintN(64, BigInt(Math.trunc(value)))
    const bytes: number[] = []
    for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
    bytes.push(Number(rest))
    this.#parts.push(Uint8Array.from(bytes))
    return this
  }

  bytes(field: number, value: Uint8Array): this {
    this.#varints(field * 8 + BYTES, value.length)
    this.#parts.push(value)
    return this
  }

  string(field: number, value: string): this {
    return this.bytes(field, Buffer.from(value, 'utf8'))
  }

  message(field: number, value: MessageWriter): this {
    return this.bytes(field, value.finish())
  }

  double(field: number, value: number): this {
    this.#varints(field * 8 + FIXED64)
    const bytes = Buffer.alloc(8)
    bytes.writeDoubleLE(value)
    this.#parts.push(bytes)
    return this
  }

  /** Microseconds since the epoch as fixed64 nanoseconds. */
  nanos(field: number, us: number): this {
    this.#varints(field * 8 + FIXED64)
    const bytes = new Uint8Array(8)
    writeNanosFixed64(bytes, 0, us)
    this.#parts.push(bytes)
    return this
  }

  fixed32(field: number, value: number): this {
    this.#varints(field * 8 + FIXED32)
    const bytes = new Uint8Array(4)
    writeFixed32(bytes, 0, value)
    this.#parts.push(bytes)
    return this
  }

  /** A field that is encoded already, key included. */
  encoded(field: Uint8Array): this {
    this.#parts.push(field)
    return this
  }

  finish(): Buffer {
    return Buffer.concat(this.#parts)
  }
}

/** One field of a message: `value` for varints (0 for other types), `bytes` for length-delimited and fixed ones. */
export interface Field {
  readonly number: number
  readonly type: number
  readonly value: bigint
  readonly bytes: Uint8Array
}

const NO_BYTES = new Uint8Array(0)

/** The fields of a message in order of the wire. Throws RangeError where the bytes are not a message. */
export function* readFields(message: Uint8Array): Generator<Field> {
  let at = 0
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      if (at >= message.length) throw new RangeError('protobuf: truncated varint')
      const byte = message[at++]!
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asUintN(64, value)
    }
    throw new RangeError('protobuf: varint over 10 bytes')
  }
  const take = (length: number): Uint8Array => {
    if (length > message.length - at) throw new RangeError('protobuf: truncated field')
    at += length
    return message.subarray(at - length, at)
  }
  while (at < message.length) {
    const tag = Number(varint())
    const number = Math.floor(tag / 8)
    const type = tag % 8
    if (number === 0) throw new RangeError('protobuf: field number 0')
    if (type === VARINT) yield { number, type, value: varint(), bytes: NO_BYTES }
    else if (type === BYTES) yield { number, type, value: 0n, bytes: take(Number(varint())) }
    else if (type === FIXED64) yield { number, type, value: 0n, bytes: take(8) }
    else if (type === FIXED32) yield { number, type, value: 0n, bytes: take(4) }
    else throw new RangeError(`protobuf: wire type ${type}`)
  }
}
