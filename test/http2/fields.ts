/** Header lists for tests of HPACK: name, value, never to be indexed. */
import type { FieldReceiver } from '../../src/core/headers.ts'
import { HPACK_OK, type HpackDecoder } from '../../src/http/message/http2/hpack-decoder.ts'
import type { HpackEncoder } from '../../src/http/message/http2/hpack-encoder.ts'

export type Field = readonly [string, string, boolean]

export const fieldsOf = (...pairs: (readonly [string, string])[]): Field[] =>
  pairs.map(([name, value]) => [name, value, false])

/** Keeps what a decoder reports. */
export class List implements FieldReceiver {
  readonly fields: Field[] = []

  onField(name: string, value: string, neverIndex: boolean): void {
    this.fields.push([name, value, neverIndex])
  }
}

/** A copy of the block with these fields. */
export function encode(encoder: HpackEncoder, fields: readonly Field[]): Buffer {
  encoder.begin()
  for (const [name, value, neverIndex] of fields) encoder.field(name, value, neverIndex)
  return Buffer.from(encoder.finish())
}

/** The fields of a block that has to be well and within any limit. */
export function decode(decoder: HpackDecoder, block: Buffer): Field[] {
  const list = new List()
  const result = decoder.decode(block, 0, block.length, 1e6, 10_000, list)
  if (result !== HPACK_OK) throw new Error(`decoder says ${result}`)
  return list.fields
}
