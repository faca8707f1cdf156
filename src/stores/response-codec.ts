/** A response as bytes, the body beside it or in it: the same in the file and in Redis. */
import type { StoredResponse } from '../exchange/idempotency-store.ts'
import { type ByteReader, ByteWriter, fieldsSize } from './byte-cursor.ts'

/** Where the body is. */
export type BodyPlace = 'none' | 'inline' | 'apart'
const PLACES: readonly BodyPlace[] = ['none', 'inline', 'apart']

export function responseSize(response: StoredResponse, place: BodyPlace): number {
  const body = place === 'inline' ? (response.body?.length ?? 0) : 0
  return 2 + 1 + 8 + 8 + fieldsSize(response.headers) + fieldsSize(response.trailers) + 4 + body
}

export function writeResponse(to: ByteWriter, response: StoredResponse, place: BodyPlace): void {
  to.u16(response.status)
  to.u8(PLACES.indexOf(place))
  to.f64(response.completedMs)
  to.f64(response.bodyBytes)
  to.fields(response.headers)
  to.fields(response.trailers)
  to.u32(response.body?.length ?? 0)
  if (place === 'inline' && response.body !== undefined) to.raw(response.body)
}

/** A response as it was read; `apart` is the length of a body that is elsewhere, -1 where there is none elsewhere. */
export interface ReadResponse {
  readonly response: StoredResponse
  readonly apart: number
}

export function readResponse(from: ByteReader): ReadResponse {
  const status = from.u16()
  const place = PLACES[from.u8()]
  if (place === undefined) throw new RangeError('no such place of a body')
  const completedMs = from.f64()
  const bodyBytes = from.f64()
  const headers = from.fields()
  const trailers = from.fields()
  const length = from.u32()
  const raw = place === 'inline' ? from.raw(length) : undefined
  const body = raw === undefined ? undefined : Buffer.from(raw)
  return {
    response: { status, headers, body, bodyBytes, trailers, completedMs },
    apart: place === 'apart' ? length : -1,
  }
}

/** The whole response with its body. */
export function encodeResponse(response: StoredResponse): Buffer {
  const place = response.body === undefined ? 'none' : 'inline'
  const to = new ByteWriter(Buffer.allocUnsafe(responseSize(response, place)))
  writeResponse(to, response, place)
  return to.bytes
}
