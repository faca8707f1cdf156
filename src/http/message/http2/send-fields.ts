/** Heads as HTTP/2 header blocks: the other end of `heads.ts`. */
import type { FieldReceiver, HeaderBlock } from '../../../core/headers.ts'
import { knownId } from '../../../core/known-names.ts'
import { CHUNKED, type RequestHead, type ResponseHead, UNTIL_CLOSE } from '../../../core/message.ts'
import { ABSENT, writeFraming } from '../framing.ts'
import { mayTrail } from '../trailers.ts'
import type { HpackEncoder } from './hpack-encoder.ts'

const CONTENT_LENGTH = knownId('content-length')

/** Fields that belong to a connection of HTTP/1 and never leave on a stream (RFC 9113 §8.2.2); Host is :authority. */
const NOT_SENT = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'host',
  'te',
  'sec-websocket-key',
  'sec-websocket-accept',
])

/** Field names of HTTP/1 messages in lower case; bounded, for nearly all are always the same. */
const lowerNames = new Map<string, string>()
const LOWER_NAMES_AT_MOST = 1024
const LONGEST_KNOWN = 64

function lowerCase(name: string): string {
  const known = lowerNames.get(name)
  if (known !== undefined) return known
  const lower = name.toLowerCase()
  if (lowerNames.size < LOWER_NAMES_AT_MOST && name.length <= LONGEST_KNOWN) lowerNames.set(name, lower)
  return lower
}

/** Hands the regular fields of a head to an encoder. One object for all heads. */
class FieldSender implements FieldReceiver {
  encoder: HpackEncoder | undefined

  onField(name: string, value: string, neverIndex: boolean): void {
    const lower = lowerCase(name)
    if (!NOT_SENT.has(lower)) this.encoder!.field(lower, value, neverIndex)
  }
}

const sender = new FieldSender()

function sendFields(encoder: HpackEncoder, headers: HeaderBlock): Buffer {
  sender.encoder = encoder
  headers.sendTo(sender)
  return encoder.finish()
}

/** Hands over trailers that may stand there. Without an encoder they are only counted. */
class TrailerSender implements FieldReceiver {
  encoder: HpackEncoder | undefined
  fields = 0

  onField(name: string, value: string, neverIndex: boolean): void {
    const lower = lowerCase(name)
    if (!mayTrail(lower)) return
    this.fields++
    this.encoder?.field(lower, value, neverIndex)
  }
}

/** Those of the trailers that may stand there; undefined: none. */
export function trailerBlock(encoder: HpackEncoder, trailers: HeaderBlock): Buffer | undefined {
  const to = new TrailerSender()
  trailers.sendTo(to)
  // A block that is begun has to be sent: it may tell the peer of a change of the table.
  if (to.fields === 0) return undefined
  encoder.begin()
  to.encoder = encoder
  trailers.sendTo(to)
  return encoder.finish()
}

/** A request head. `authorityFallback` serves HTTP/1.0 clients without Host. The result is valid until the next block. */
export function requestBlock(
  encoder: HpackEncoder,
  head: RequestHead,
  scheme: 'http' | 'https',
  authorityFallback: string,
): Buffer {
  const { headers } = head
  const stated = headers.known(CONTENT_LENGTH) !== undefined
  writeFraming(headers, head.bodyLength > 0 || (head.bodyLength === 0 && stated) ? head.bodyLength : ABSENT)
  encoder.begin()
  const websocket = head.upgrade !== ''
  encoder.field(':method', websocket ? 'CONNECT' : head.method)
  encoder.field(':scheme', scheme)
  encoder.field(':authority', head.host === '' ? authorityFallback : head.host)
  encoder.field(':path', head.path)
  if (websocket) encoder.field(':protocol', head.upgrade)
  if (head.wantsTrailers) encoder.field('te', 'trailers')
  return sendFields(encoder, headers)
}

/** A final or interim response head; `bodiless`: to HEAD, or a 204 or 304, where Content-Length only tells. */
export function responseBlock(encoder: HpackEncoder, head: ResponseHead, bodiless: boolean): Buffer {
  const { headers, bodyLength } = head
  const stated = bodiless ? head.statedLength : bodyLength
  writeFraming(
    headers,
    stated === CHUNKED || stated === UNTIL_CLOSE || stated < 0 || head.status < 200 ? ABSENT : stated,
  )
  encoder.begin()
  // Where HTTP/1.1 switches protocols, a stream of HTTP/2 just goes on (RFC 8441 §5).
  encoder.field(':status', statusText(head.status === 101 ? 200 : head.status))
  return sendFields(encoder, headers)
}

const statusTexts: string[] = []

function statusText(status: number): string {
  statusTexts[status] ??= String(status)
  return statusTexts[status]
}
