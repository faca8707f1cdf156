/**
 * Heads of Thrift messages (Apache Thrift, doc/specs: thrift-binary-protocol.md "Message", strict form;
 * thrift-compact-protocol.md "Message"; thrift-rpc.md "Framed vs. unframed"). The old, non-strict binary form has
 * nothing to know it by and is left alone.
 */
import { allOf, type Check, LETTER_OR_UNDERSCORE, METHOD_NAME } from './first-bytes.ts'

export const CALL = 1
export const REPLY = 2
export const EXCEPTION = 3
export const ONEWAY = 4

export type ThriftEncoding = 'binary' | 'compact'

/** A message head; `bytes` is its length. */
export interface ThriftHead {
  readonly type: number
  readonly name: string
  readonly sequence: number
  readonly bytes: number
}

export const MAX_NAME_BYTES = 256
/** Longest head of either encoding. */
export const MAX_HEAD_BYTES = 12 + MAX_NAME_BYTES
export const FRAME_LENGTH_BYTES = 4
/** What the libraries take at most is less: 16 MB by default. */
export const MAX_FRAME_BYTES = 256 * 1024 * 1024
/** Shortest of a frame: a head with a name of one byte, and the end of its struct. */
const MIN_FRAME_BYTES = 6

const BINARY_VERSION = 0x8001
const COMPACT_ID = 0x82
const COMPACT_VERSION = 1
/** Type of a field that ends a struct. */
const STOP = 0

/** The head at `buf[at…]`. */
export function readThriftHead(
  encoding: ThriftEncoding,
  buf: Buffer,
  at: number,
  end: number,
): ThriftHead | 'no' | 'more' {
  return encoding === 'binary' ? readBinary(buf, at, end) : readCompact(buf, at, end)
}

function readBinary(buf: Buffer, at: number, end: number): ThriftHead | 'no' | 'more' {
  if (at < end && buf[at] !== BINARY_VERSION >> 8) return 'no'
  if (at + 1 < end && buf[at + 1] !== (BINARY_VERSION & 0xff)) return 'no'
  if (at + 2 < end && buf[at + 2] !== 0) return 'no'
  if (at + 3 < end && !isType(buf[at + 3]!)) return 'no'
  if (end - at < 8) return 'more'
  const length = buf.readInt32BE(at + 4)
  const name = at + 8
  const verdict = nameThere(buf, name, length, end)
  if (verdict !== 'yes') return verdict
  if (end < name + length + 4) return 'more'
  return {
    type: buf[at + 3]!,
    name: buf.toString('latin1', name, name + length),
    sequence: buf.readInt32BE(name + length),
    bytes: 8 + length + 4,
  }
}

function readCompact(buf: Buffer, at: number, end: number): ThriftHead | 'no' | 'more' {
  if (at < end && buf[at] !== COMPACT_ID) return 'no'
  if (at + 1 < end && ((buf[at + 1]! & 0x1f) !== COMPACT_VERSION || !isType(buf[at + 1]! >> 5))) return 'no'
  if (end - at < 4) return 'more'
  const sequence = readVarint(buf, at + 2, end)
  if (typeof sequence === 'string') return sequence
  const length = readVarint(buf, sequence.next, end)
  if (typeof length === 'string') return length
  const verdict = nameThere(buf, length.next, length.value, end)
  if (verdict !== 'yes') return verdict
  return {
    type: buf[at + 1]! >> 5,
    name: buf.toString('latin1', length.next, length.next + length.value),
    sequence: sequence.value | 0,
    bytes: length.next + length.value - at,
  }
}

const isType = (type: number): boolean => type >= CALL && type <= ONEWAY

function nameThere(buf: Buffer, start: number, length: number, end: number): 'yes' | 'no' | 'more' {
  if (length < 1 || length > MAX_NAME_BYTES) return 'no'
  if (start < end && LETTER_OR_UNDERSCORE[buf[start]!] !== 1) return 'no'
  if (!allOf(METHOD_NAME, buf, start, Math.min(end, start + length))) return 'no'
  return end < start + length ? 'more' : 'yes'
}

/** An unsigned number of at most 32 bits in groups of 7, least first. */
export function readVarint(
  buf: Buffer,
  start: number,
  end: number,
): { readonly value: number; readonly next: number } | 'no' | 'more' {
  let value = 0
  for (let i = 0; i < 5; i++) {
    if (start + i >= end) return 'more'
    const byte = buf[start + i]!
    value += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) return value <= 0xffffffff ? { value, next: start + i + 1 } : 'no'
  }
  return 'no'
}

/** A call or oneway message, in one of four forms; behind its head stands a field, or the end of the arguments. */
function recognise(encoding: ThriftEncoding, framed: boolean): Check {
  const variant = `${framed ? 'framed' : 'unframed'} ${encoding}`
  return (buf, end) => {
    const at = framed ? FRAME_LENGTH_BYTES : 0
    let frame = Number.POSITIVE_INFINITY
    if (framed) {
      // 256 MiB leave the first byte under 16.
      if (end > 0 && buf[0]! > MAX_FRAME_BYTES >>> 24) return 'no'
      if (end < FRAME_LENGTH_BYTES) return 'more'
      frame = buf.readInt32BE(0)
      if (frame < MIN_FRAME_BYTES || frame > MAX_FRAME_BYTES) return 'no'
    }
    const head = readThriftHead(encoding, buf, at, end)
    if (typeof head === 'string') return head
    if ((head.type !== CALL && head.type !== ONEWAY) || head.bytes + 1 > frame) return 'no'
    if (end < at + head.bytes + 1) return 'more'
    const type = buf[at + head.bytes]!
    if (!(encoding === 'binary' ? isBinaryField(type) : isCompactField(type))) return 'no'
    return { name: 'thrift', version: '', variant }
  }
}

/** Type of a field in the binary protocol, or the end of a struct. */
export const isBinaryField = (type: number): boolean =>
  type === STOP || (type >= 2 && type <= 4) || type === 6 || type === 8 || (type >= 10 && type <= 16)

/** Delta of the id and type of a field in the compact protocol, or the end of a struct. */
export const isCompactField = (byte: number): boolean => byte === STOP || ((byte & 0xf) >= 1 && (byte & 0xf) <= 13)

export const thriftClient: readonly Check[] = [
  recognise('binary', true),
  recognise('compact', true),
  recognise('binary', false),
  recognise('compact', false),
]
