/**
 * How a Thrift call failed. An exception message carries TApplicationException {1: string message, 2: i32 type}; a reply
 * carries a struct whose field 0 is the result and whose other fields are the exceptions that the service declares
 * (doc/specs/thrift-rpc.md "Response struct").
 */
import { type CallError, plainText } from './call.ts'
import { readVarint, type ThriftEncoding } from './thrift-header.ts'

/** TApplicationException types in the order of their numbers. */
const TYPES = [
  'unknown',
  'unknown_method',
  'invalid_message_type',
  'wrong_method_name',
  'bad_sequence_id',
  'missing_result',
  'internal_error',
  'protocol_error',
  'invalid_transform',
  'invalid_protocol',
  'unsupported_client_type',
] as const

const MESSAGE = 1
const TYPE = 2

/** A field, or the end of a struct: id -1. */
interface Field {
  readonly id: number
  /** In the numbers of the binary protocol: 8 for i32, 11 for string, 0 for others. */
  readonly type: number
  readonly next: number
}

/** The failure that the struct at `buf[at…]` tells of; undefined: none. */
export function readFailure(
  encoding: ThriftEncoding,
  exception: boolean,
  buf: Buffer,
  at: number,
  end: number,
): CallError | undefined | 'more' {
  if (exception) return readException(encoding, buf, at, end)
  const field = readField(encoding, buf, at, end, 0)
  if (field === 'more') return 'more'
  return field.id > 0 ? { type: 'declared_exception', message: `field ${field.id} of the result` } : undefined
}

function readException(encoding: ThriftEncoding, buf: Buffer, start: number, end: number): CallError | 'more' {
  let at = start
  let id = 0
  let message = ''
  let type = 'exception'
  for (;;) {
    const field = readField(encoding, buf, at, end, id)
    if (field === 'more') return 'more'
    const value = field.id === MESSAGE || field.id === TYPE ? readValue(encoding, field, buf, end) : undefined
    if (value === 'more') return 'more'
    // The end, or something that does not belong here: what was read so far is told.
    if (value === undefined) return { type: type === 'exception' ? typeByText(message) : type, message }
    if (typeof value.value === 'string') message = plainText(value.value)
    else type = TYPES[value.value] ?? 'exception'
    at = value.next
    id = field.id
  }
}

/** The library for Node leaves the type out: what the generated code of it and others says is told by its text. */
function typeByText(message: string): string {
  return /^(Unknown function|Invalid method name)\b/.test(message) ? 'unknown_method' : 'exception'
}

function readField(encoding: ThriftEncoding, buf: Buffer, at: number, end: number, last: number): Field | 'more' {
  if (at >= end) return 'more'
  const head = buf[at]!
  if (head === 0) return { id: -1, type: 0, next: at + 1 }
  if (encoding === 'binary') return at + 3 > end ? 'more' : { id: buf.readInt16BE(at + 1), type: head, next: at + 3 }
  const type = COMPACT_AS_BINARY[head & 0xf] ?? 0
  if (head >> 4 !== 0) return { id: last + (head >> 4), type, next: at + 1 }
  const id = readVarint(buf, at + 1, end)
  if (id === 'more') return 'more'
  return id === 'no' ? { id: -1, type: 0, next: at + 1 } : { id: unzigzag(id.value), type, next: id.next }
}

const COMPACT_AS_BINARY: Readonly<Record<number, number>> = { 5: 8, 8: 11 }
const unzigzag = (value: number): number => (value >>> 1) ^ -(value & 1)

function readValue(
  encoding: ThriftEncoding,
  field: Field,
  buf: Buffer,
  end: number,
): { readonly value: string | number; readonly next: number } | undefined | 'more' {
  const at = field.next
  const text = field.type === 11
  if (!text && field.type !== 8) return undefined
  let head: { readonly value: number; readonly next: number }
  if (encoding === 'binary') {
    if (at + 4 > end) return 'more'
    head = { value: buf.readInt32BE(at), next: at + 4 }
  } else {
    const varint = readVarint(buf, at, end)
    if (varint === 'more') return 'more'
    if (varint === 'no') return undefined
    head = text ? varint : { value: unzigzag(varint.value), next: varint.next }
  }
  if (!text) return head
  const stop = head.next + head.value
  if (head.value < 0) return undefined
  return stop > end ? 'more' : { value: buf.toString('utf8', head.next, stop), next: stop }
}
