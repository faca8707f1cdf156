/** What a record has for the flight recorder alone: header sections and the first bytes of bodies, redacted as they are read. */
import * as L from '../record-layout.ts'
import { Redactor } from '../redact.ts'
import type { RingMemory } from '../ring.ts'
import { type BodyView, viewBody } from './body-redaction.ts'
import { HeaderRedactor } from './header-redaction.ts'
import type { RecorderOptions } from './options.ts'

/** What takes secrets out. */
export interface DetailRedaction {
  readonly query: Redactor
  readonly headers: HeaderRedactor
}

export function detailRedaction(
  { showHeaders, hideHeaders }: Pick<RecorderOptions, 'showHeaders' | 'hideHeaders'>,
  redactQuery: readonly string[] | undefined,
): DetailRedaction {
  const query = new Redactor(redactQuery)
  return { query, headers: new HeaderRedactor(query, showHeaders, hideHeaders) }
}

/** For what was masked when it was written. */
export function maskedRedaction(): DetailRedaction {
  const query = new Redactor()
  return { query, headers: new HeaderRedactor(query, [], [], true) }
}

/** Fields in order, names as they came, values `REDACTED` where they are not shown. */
export type FieldViews = readonly (readonly [string, string])[]

export interface ExchangeDetails {
  readonly requestHeaders?: FieldViews
  readonly responseHeaders?: FieldViews
  readonly requestBody?: BodyView
  readonly responseBody?: BodyView
}

/** Where the details of the EXCHANGE record at word `at` begin, in bytes. */
export function detailsStart({ int32 }: RingMemory, at: number): number {
  const half = at * 2
  const low = (index: number): number => int32[half + index]! & 0xffff
  const high = (index: number): number => int32[half + index]! >>> 16
  const flags = int32[half + L.H_FLAGS]!
  const ids = ((flags & L.F_TRACE) === 0 ? 0 : 48) + ((flags & L.F_PARENT) === 0 ? 0 : 16)
  const texts = high(L.H_PATH_REQUEST_ID) + low(L.H_PATH_REQUEST_ID) + high(L.H_STATE_METHOD) + low(L.H_STATE_METHOD)
  const peers = low(L.H_HOST_AGENT) + high(L.H_HOST_AGENT) + ((flags & L.F_UPSTREAM) === 0 ? 0 : low(L.H_UPSTREAM))
  const error = low(L.H_ERRNO_DETAIL) + high(L.H_ERRNO_DETAIL)
  const link = (flags & L.F_LINK) === 0 ? 0 : 48
  return (at + L.W_STRINGS) * 8 + ids + texts + peers + error + link + int32[half + L.H_TAIL]!
}

/** The details of the EXCHANGE record at word `at`. */
export function viewDetails(memory: RingMemory, at: number, redaction: DetailRedaction): ExchangeDetails {
  const { int32, float64, bytes } = memory
  const lengths = int32[at * 2 + L.H_SECTIONS]!
  const hasBodies = (int32[at * 2 + L.H_FLAGS]! & L.F_BODIES) !== 0
  if (lengths === 0 && !hasBodies) return {}
  const [requestLength, responseLength] = [lengths & 0xffff, lengths >>> 16]
  const start = detailsStart(memory, at)
  const bodiesAt = start + requestLength + responseLength
  const request = bytes.toString('latin1', start, start + requestLength)
  const response = bytes.toString('latin1', start + requestLength, bodiesAt)
  const section = (text: string): FieldViews => redaction.headers.section(text, text.length === L.MAX_SECTION)
  const headers = { requestHeaders: section(request), responseHeaders: section(response) }
  if (!hasBodies) return headers
  const kept = bytes.readUInt16LE(bodiesAt)
  const body = (fields: FieldViews, from: number, length: number, whole: number): BodyView =>
    viewBody(
      bytes.subarray(from, from + length),
      whole,
      fieldOf(fields, 'content-type'),
      fieldOf(fields, 'content-encoding'),
      redaction.query,
    )
  const first = bodiesAt + 4
  const [requestBytes, responseBytes] = [float64[at + L.W_REQUEST_BYTES]!, float64[at + L.W_RESPONSE_BYTES]!]
  return {
    ...headers,
    ...(requestBytes > 0 && { requestBody: body(headers.requestHeaders, first, kept, requestBytes) }),
    ...(responseBytes > 0 && {
      responseBody: body(headers.responseHeaders, first + kept, bytes.readUInt16LE(bodiesAt + 2), responseBytes),
    }),
  }
}

/** First value of a field, `name` in lower case; '' where there is none. */
export function fieldOf(fields: FieldViews, name: string): string {
  return fields.find(([one]) => one.toLowerCase() === name)?.[1] ?? ''
}
