/** OTLP messages for what few exchanges have: links, events, attributes of users, child spans of attempts, tunnels. */
import { MessageWriter } from '../core/protobuf.ts'
import type { TailValue, UserEvent, UserTail } from './record-layout.ts'

export const KIND_SERVER = 2
export const KIND_CLIENT = 3
export const STATUS_ERROR = 2

const HAS_REMOTE_MASK = 0x100

function anyValue(value: TailValue): MessageWriter {
  const any = new MessageWriter()
  if (typeof value === 'string') return any.string(1, value)
  if (typeof value === 'boolean') return any.integer(2, value ? 1 : 0)
  if (typeof value === 'number') return Number.isSafeInteger(value) ? any.integer(3, value) : any.double(4, value)
  const list = new MessageWriter()
  for (const item of value) list.message(1, anyValue(item))
  return any.message(5, list)
}

/** A KeyValue message. */
export function keyValue(key: string, value: TailValue): MessageWriter {
  return new MessageWriter().string(1, key).message(2, anyValue(value))
}

/** A Span.Link to a hex context. */
export function link(
  traceId: string,
  spanId: string,
  attributes: readonly (readonly [string, TailValue])[],
): MessageWriter {
  const message = new MessageWriter().bytes(1, Buffer.from(traceId, 'hex')).bytes(2, Buffer.from(spanId, 'hex'))
  for (const [key, value] of attributes) message.message(4, keyValue(key, value))
  return message
}

export function event(given: UserEvent): MessageWriter {
  const message = new MessageWriter().nanos(1, given.timeUs).string(2, given.name)
  for (const [key, value] of given.attributes) message.message(3, keyValue(key, value))
  return message
}

/** A Span.Status. */
export function status(code: number, message: string): MessageWriter {
  const status = new MessageWriter()
  if (message !== '') status.string(2, message)
  return status.integer(3, code)
}

/** A whole span as plain data; times in microseconds since the epoch. */
export interface PlainSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string
  /** tracestate, '' or undefined for none. */
  readonly state?: string | undefined
  readonly name: string
  readonly kind: number
  readonly startUs: number
  readonly endUs: number
  readonly flags: number
  readonly attributes: readonly (readonly [string, TailValue])[]
  readonly errorMessage: string | undefined
}

export function plainSpan(span: PlainSpan): MessageWriter {
  const message = new MessageWriter()
    .bytes(1, Buffer.from(span.traceId, 'hex'))
    .bytes(2, Buffer.from(span.spanId, 'hex'))
  if (span.state !== undefined && span.state !== '') message.string(3, span.state)
  if (span.parentSpanId !== '') message.bytes(4, Buffer.from(span.parentSpanId, 'hex'))
  message.string(5, span.name).integer(6, span.kind).nanos(7, span.startUs).nanos(8, span.endUs)
  for (const [key, value] of span.attributes) message.message(9, keyValue(key, value))
  if (span.errorMessage !== undefined) message.message(15, status(STATUS_ERROR, span.errorMessage))
  return message.fixed32(16, (span.flags & 0xff) | HAS_REMOTE_MASK)
}

/** Fields of a Span that users gave: attributes = 9, events = 11, links = 13, status = 15. */
export function userFields(user: UserTail): (readonly [number, MessageWriter])[] {
  const fields: (readonly [number, MessageWriter])[] = []
  for (const [key, value] of user.attributes ?? []) fields.push([9, keyValue(key, value)])
  for (const given of user.events ?? []) fields.push([11, event(given)])
  for (const [traceId, spanId] of user.links ?? []) fields.push([13, link(traceId, spanId, [])])
  if (user.status !== undefined && user.status[0] !== 0) fields.push([15, status(user.status[0], user.status[1])])
  return fields
}
