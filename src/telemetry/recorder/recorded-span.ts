/** What a span of the flight recorder has beside the others: that it was recorded, why, and what of header and body may be shown. */
import { keyValue } from '../otlp-rare.ts'
import type { TailValue } from '../record-layout.ts'
import type { BodyView } from './body-redaction.ts'
import type { ExchangeDetails, FieldViews } from './details.ts'
import type { Reason } from './wants.ts'

/** Shown otherwise on every span. */
const ELSEWHERE: ReadonlySet<string> = new Set(['x-request-id', 'user-agent', 'host'])
const MAX_FIELDS = 64

/**
 * Attributes, encoded as fields of a Span. `unsampled`: the span is here for its trace alone and stands for no others, so
 * that it must not be counted in figures of all traffic.
 */
export function recordedAttributes(details: ExchangeDetails, reason: Reason, unsampled: boolean): Uint8Array {
  const attributes: (readonly [string, TailValue])[] = [['hopscope.recorded.reason', reason]]
  if (unsampled) attributes.push(['hopscope.recorded', true])
  attributes.push(...fieldAttributes('http.request.header', details.requestHeaders))
  attributes.push(...fieldAttributes('http.response.header', details.responseHeaders))
  attributes.push(...bodyAttributes('hopscope.request.body', details.requestBody))
  attributes.push(...bodyAttributes('hopscope.response.body', details.responseBody))
  return Buffer.concat(attributes.map(([key, value]) => attributeField(keyValue(key, value).finish())))
}

/** A list for each name (semantic conventions, `http.request.header.<key>`). */
function fieldAttributes(prefix: string, fields: FieldViews = []): (readonly [string, TailValue])[] {
  const byName = new Map<string, string[]>()
  for (const [name, value] of fields) {
    const lower = name.toLowerCase()
    if (ELSEWHERE.has(lower)) continue
    const values = byName.get(lower)
    if (values !== undefined) values.push(value)
    else if (byName.size < MAX_FIELDS) byName.set(lower, [value])
  }
  return [...byName].map(([name, values]) => [`${prefix}.${name}`, values])
}

function bodyAttributes(key: string, body: BodyView | undefined): (readonly [string, TailValue])[] {
  if (body === undefined) return []
  const { text, kept, bytes, redacted = 0, omitted } = body
  const attributes: [string, TailValue][] = text === undefined ? [[`${key}.omitted`, omitted ?? '']] : [[key, text]]
  if (text !== undefined && kept < bytes) attributes.push([`${key}.kept_bytes`, kept])
  if (redacted > 0) attributes.push([`${key}.redacted`, redacted])
  return attributes
}

/** `attributes = 9` of a Span around an encoded KeyValue. */
function attributeField(message: Uint8Array): Uint8Array {
  const length: number[] = []
  let rest = message.length
  for (; rest >= 0x80; rest >>= 7) length.push((rest & 0x7f) | 0x80)
  return Buffer.concat([Uint8Array.from([0x4a, ...length, rest]), message])
}
