/**
 * Counts the spans of an OTLP ExportTraceServiceRequest by walking the protobuf's lengths, decoding nothing: the
 * collector shares its core with the load generator. Field numbers: opentelemetry-proto trace/v1/trace.proto.
 */

const RESOURCE_SPANS = 1
const SCOPE_SPANS = 2
const SPANS = 2
const SPAN_ID = 2
const LENGTH_DELIMITED = 2

let offset = 0

function varint(buf: Uint8Array): number {
  let value = 0
  let factor = 1
  for (;;) {
    const byte = buf[offset++]
    if (byte === undefined) throw new RangeError('message ends within a varint')
    value += (byte & 0x7f) * factor
    if (byte < 0x80) return value
    factor *= 128
  }
}

/** Moves over one field's value; for a length-delimited one gives where it ends, else -1. */
function fieldEnd(buf: Uint8Array, wireType: number): number {
  if (wireType === LENGTH_DELIMITED) {
    const length = varint(buf)
    if (offset + length > buf.length) throw new RangeError('field runs past the message')
    return offset + length
  }
  if (wireType === 0) varint(buf)
  else if (wireType === 1) offset += 8
  else if (wireType === 5) offset += 4
  else throw new RangeError(`wire type ${wireType}`)
  return -1
}

/** Calls `onSpanId` with where each span's id stands in `buf` (-1: it has none); throws RangeError on bad protobuf. */
export function eachSpan(buf: Uint8Array, onSpanId: (at: number) => void): void {
  offset = 0
  walk(buf, buf.length, 0, onSpanId)
}

const PATH = [RESOURCE_SPANS, SCOPE_SPANS, SPANS] as const

function walk(buf: Uint8Array, end: number, depth: number, onSpanId: (at: number) => void): void {
  const wanted = PATH[depth]
  while (offset < end) {
    const tag = varint(buf)
    const valueEnd = fieldEnd(buf, tag & 7)
    if (valueEnd === -1) continue
    if (tag >>> 3 === wanted) {
      if (depth === PATH.length - 1) onSpanId(findSpanId(buf, valueEnd))
      else walk(buf, valueEnd, depth + 1, onSpanId)
    }
    offset = valueEnd
  }
}

function findSpanId(buf: Uint8Array, end: number): number {
  while (offset < end) {
    const tag = varint(buf)
    const valueEnd = fieldEnd(buf, tag & 7)
    if (tag >>> 3 === SPAN_ID && valueEnd - offset === 8) return offset
    if (valueEnd !== -1) offset = valueEnd
  }
  return -1
}
