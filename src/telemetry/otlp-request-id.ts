/** The request id of a span. Header attributes are lists of strings: ArrayValue { values: AnyValue }. */
import { type AttributeSink, textOf } from './otlp-attributes.ts'
import * as K from './otlp-keys.ts'
import { keyValue } from './otlp-rare.ts'

/** Up to this many bytes all lengths are single bytes: of the AnyValue, of its ArrayValue, of the item. */
const SHORT = 112

export function writeRequestId(sink: AttributeSink, bytes: Buffer, start: number, end: number): void {
  if (end - start <= SHORT && writeShort(sink, bytes, start, end)) return
  sink.message(9, keyValue('http.request.header.x-request-id', [textOf(bytes, start, end)]).finish())
}

function writeShort(sink: AttributeSink, bytes: Buffer, start: number, end: number): boolean {
  const begin = sink.at
  const length = end - start
  sink.byte(0x4a)
  sink.varint(K.REQUEST_ID.length + 1 + length + 6)
  sink.block(K.REQUEST_ID)
  sink.byte(length + 6)
  sink.byte(0x2a)
  sink.byte(length + 4)
  sink.byte(0x0a)
  sink.byte(length + 2)
  sink.byte(0x0a)
  sink.byte(length)
  if (sink.ascii(bytes, start, end)) return true
  sink.at = begin
  return false
}
