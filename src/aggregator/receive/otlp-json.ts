/**
 * OTLP/JSON (opentelemetry.io/docs/specs/otlp §JSON Protobuf Encoding) → the protobuf bytes of the same request, so that
 * there is one form behind the receivers. Ids are hex, enums are numbers, 64-bit integers are numbers or decimal text,
 * bytes are base64; unknown fields are passed over.
 */
import { FIXED64, MessageWriter, VARINT } from '../../core/protobuf.ts'
import { MAX_DEPTH } from '../otlp-attributes.ts'

/** What is wrong with a request, and where: `resourceSpans[0].scopeSpans[2].spans[1].traceId`. */
export class JsonFault {
  readonly path: string
  readonly expected: string

  constructor(path: string, expected: string) {
    this.path = path
    this.expected = expected
  }
}

/** The protobuf bytes, or the first fault. */
export function protobufOfJson(body: Buffer): Buffer | JsonFault {
  let value: unknown
  try {
    value = JSON.parse(body.toString('utf8'))
  } catch (error) {
    return new JsonFault('', `JSON (${error instanceof Error ? error.message : 'unreadable'})`)
  }
  budget = MAX_MESSAGES
  try {
    return message(value, '', REQUEST, 0).finish()
  } catch (error) {
    if (error instanceof JsonFault) return error
    throw error
  }
}

type Put = (writer: MessageWriter, field: number, value: unknown, path: string, depth: number) => void

interface FieldRule {
  readonly field: number
  readonly put: Put
}

interface Shape {
  readonly [name: string]: FieldRule
}

/** Objects of one request: an empty one is three bytes, and far more once it is read. */
const MAX_MESSAGES = 524_288
const ATTRIBUTE_DEPTH = MAX_DEPTH + 1

/** Messages left of the request at hand; conversion is synchronous. */
let budget = 0

function message(value: unknown, path: string, shape: Shape, depth: number): MessageWriter {
  if (--budget < 0) throw new JsonFault(path, `at most ${MAX_MESSAGES} spans, attributes, events and links`)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new JsonFault(path, 'an object')
  const writer = new MessageWriter()
  for (const [name, rule] of Object.entries(shape)) {
    const given = (value as Readonly<Record<string, unknown>>)[name]
    if (given === undefined || given === null) continue
    rule.put(writer, rule.field, given, path === '' ? name : `${path}.${name}`, depth)
  }
  return writer
}

const text = (field: number): FieldRule => ({
  field,
  put: (writer, at, value, path) => {
    if (typeof value !== 'string') throw new JsonFault(path, 'text')
    writer.string(at, value)
  },
})
const hex = (field: number): FieldRule => ({
  field,
  put: (writer, at, value, path) => {
    if (typeof value !== 'string' || value.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(value)) {
      throw new JsonFault(path, 'an id in hexadecimal')
    }
    writer.bytes(at, Buffer.from(value, 'hex'))
  },
})
const base64 = (field: number): FieldRule => ({
  field,
  put: (writer, at, value, path) => {
    if (typeof value !== 'string') throw new JsonFault(path, 'base64')
    writer.bytes(at, Buffer.from(value, 'base64'))
  },
})

function integerOf(value: unknown, path: string): bigint {
  if (typeof value === 'number' && Number.isInteger(value)) return BigInt(value)
  if (typeof value === 'string' && /^-?\d{1,20}$/.test(value)) return BigInt(value)
  throw new JsonFault(path, 'a whole number')
}

function varintBytes(value: bigint): Uint8Array {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, value)
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  bytes.push(Number(rest))
  return Uint8Array.from(bytes)
}

const key = (field: number, type: number): Uint8Array => varintBytes(BigInt(field * 8 + type))

const integer = (field: number): FieldRule => ({
  field,
  put: (writer, at, value, path) => {
    writer.encoded(Buffer.concat([key(at, VARINT), varintBytes(integerOf(value, path))]))
  },
})
const fixed64 = (field: number): FieldRule => ({
  field,
  put: (writer, at, value, path) => {
    const bytes = Buffer.alloc(8)
    bytes.writeBigUInt64LE(BigInt.asUintN(64, integerOf(value, path)))
    writer.encoded(Buffer.concat([key(at, FIXED64), bytes]))
  },
})
const fixed32 = (field: number): FieldRule => ({
  field,
  put: (writer, at, value, path) => {
    writer.fixed32(at, Number(BigInt.asUintN(32, integerOf(value, path))))
  },
})
const double = (field: number): FieldRule => ({
  field,
  put: (writer, at, value, path) => {
    // Infinity and NaN are text in JSON.
    const number = typeof value === 'string' && value !== '' ? Number(value) : value
    if (typeof number !== 'number') throw new JsonFault(path, 'a number')
    writer.double(at, number)
  },
})
const bool = (field: number): FieldRule => ({
  field,
  put: (writer, at, value, path) => {
    if (typeof value !== 'boolean') throw new JsonFault(path, 'true or false')
    writer.integer(at, value ? 1 : 0)
  },
})
const one = (field: number, shape: () => Shape): FieldRule => ({
  field,
  put: (writer, at, value, path, depth) => {
    if (depth > ATTRIBUTE_DEPTH) throw new JsonFault(path, `values nested at most ${MAX_DEPTH} deep`)
    writer.bytes(at, message(value, path, shape(), depth).finish())
  },
})
const many = (field: number, shape: () => Shape, deeper = 0): FieldRule => ({
  field,
  put: (writer, at, value, path, depth) => {
    if (!Array.isArray(value)) throw new JsonFault(path, 'a list')
    if (depth > ATTRIBUTE_DEPTH) throw new JsonFault(path, `values nested at most ${MAX_DEPTH} deep`)
    value.forEach((item, index) => {
      writer.bytes(at, message(item, `${path}[${index}]`, shape(), depth + deeper).finish())
    })
  },
})

const ANY_VALUE: Shape = {
  stringValue: text(1),
  boolValue: bool(2),
  intValue: integer(3),
  doubleValue: double(4),
  arrayValue: one(5, () => ARRAY),
  kvlistValue: one(6, () => MAP),
  bytesValue: base64(7),
}
const KEY_VALUE: Shape = { key: text(1), value: one(2, () => ANY_VALUE) }
const ARRAY: Shape = { values: many(1, () => ANY_VALUE, 1) }
const MAP: Shape = { values: many(1, () => KEY_VALUE, 1) }
const EVENT: Shape = { timeUnixNano: fixed64(1), name: text(2), attributes: many(3, () => KEY_VALUE) }
const LINK: Shape = {
  traceId: hex(1),
  spanId: hex(2),
  traceState: text(3),
  attributes: many(4, () => KEY_VALUE),
  flags: fixed32(6),
}
const STATUS: Shape = { message: text(2), code: integer(3) }
const SPAN: Shape = {
  traceId: hex(1),
  spanId: hex(2),
  traceState: text(3),
  parentSpanId: hex(4),
  name: text(5),
  kind: integer(6),
  startTimeUnixNano: fixed64(7),
  endTimeUnixNano: fixed64(8),
  attributes: many(9, () => KEY_VALUE),
  events: many(11, () => EVENT),
  links: many(13, () => LINK),
  status: one(15, () => STATUS),
  flags: fixed32(16),
}
const SCOPE: Shape = { name: text(1), version: text(2), attributes: many(3, () => KEY_VALUE) }
const SCOPE_SPANS: Shape = { scope: one(1, () => SCOPE), spans: many(2, () => SPAN) }
const RESOURCE: Shape = { attributes: many(1, () => KEY_VALUE) }
const RESOURCE_SPANS: Shape = { resource: one(1, () => RESOURCE), scopeSpans: many(2, () => SCOPE_SPANS) }
const REQUEST: Shape = { resourceSpans: many(1, () => RESOURCE_SPANS) }
