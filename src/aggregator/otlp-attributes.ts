/** `KeyValue` and `AnyValue` (opentelemetry/proto/common/v1/common.proto) → plain values. */
import { BYTES, FIXED64, VARINT } from '../core/protobuf.ts'
import { ANY_VALUE, KEY_VALUE, LIST } from './otlp-fields.ts'
import type { AttributeValue } from './span.ts'
import { tagOf, type WireCursor } from './wire-cursor.ts'

/** Lists in lists; deeper is a fault, for each level is a call on the stack. */
export const MAX_DEPTH = 16

/** Values that may still be read in this request: two bytes of wire can be one value, and a value costs far more. */
export interface ValueBudget {
  left: number
}

export function spend(cursor: WireCursor, budget: ValueBudget): void {
  if (--budget.left < 0) cursor.fail(cursor.at, 'too many attribute values, events and links')
}

/** Read a KeyValue that ends at `end`; a key that was there already gets the later value. */
export function readAttribute(
  cursor: WireCursor,
  end: number,
  into: Map<string, AttributeValue>,
  budget: ValueBudget,
  depth = 0,
): void {
  let key = ''
  let value: AttributeValue = null
  while (cursor.at < end) {
    const tag = cursor.tag(end)
    if (tag === tagOf(1, BYTES)) key = cursor.text(end)
    else if (tag === tagOf(2, BYTES)) value = readValue(cursor, cursor.block(end), budget, depth)
    else cursor.skip(tag, end, KEY_VALUE)
  }
  if (cursor.fault === undefined) into.set(key, value)
}

function readValue(cursor: WireCursor, end: number, budget: ValueBudget, depth: number): AttributeValue {
  if (cursor.fault !== undefined) return null
  spend(cursor, budget)
  if (depth >= MAX_DEPTH) cursor.fail(cursor.at, `values nested over ${MAX_DEPTH} deep`)
  let value: AttributeValue = null
  while (cursor.at < end) {
    const tag = cursor.tag(end)
    if (tag === tagOf(1, BYTES)) value = cursor.text(end)
    else if (tag === tagOf(2, VARINT)) value = cursor.bool(end)
    else if (tag === tagOf(3, VARINT)) value = cursor.int64(end)
    else if (tag === tagOf(4, FIXED64)) value = cursor.double(end)
    else if (tag === tagOf(5, BYTES)) value = readArray(cursor, cursor.block(end), budget, depth + 1)
    else if (tag === tagOf(6, BYTES)) value = readMap(cursor, cursor.block(end), budget, depth + 1)
    else if (tag === tagOf(7, BYTES)) value = cursor.copy(end)
    else cursor.skip(tag, end, ANY_VALUE)
  }
  return value
}

function readArray(cursor: WireCursor, end: number, budget: ValueBudget, depth: number): AttributeValue {
  const items: AttributeValue[] = []
  while (cursor.at < end) {
    const tag = cursor.tag(end)
    if (tag === tagOf(1, BYTES)) items.push(readValue(cursor, cursor.block(end), budget, depth))
    else cursor.skip(tag, end, LIST)
  }
  return items
}

function readMap(cursor: WireCursor, end: number, budget: ValueBudget, depth: number): AttributeValue {
  const map = new Map<string, AttributeValue>()
  while (cursor.at < end) {
    const tag = cursor.tag(end)
    if (tag === tagOf(1, BYTES)) readAttribute(cursor, cursor.block(end), map, budget, depth)
    else cursor.skip(tag, end, LIST)
  }
  return map
}
