/** Heads as text, from parsed parts: the one place where start lines and framing fields are written. */
import { STATUS_CODES } from 'node:http'
import { knownId } from '../../core/known-names.ts'
import { CHUNKED, type RequestHead, type ResponseHead, UNTIL_CLOSE } from '../../core/message.ts'
import { ABSENT, writeFraming } from './framing.ts'

const CONTENT_LENGTH = knownId('content-length')

/**
 * A request head for an upstream connection that is kept alive. A body is framed on every method, for an unframed
 * one would be read as the next request (nodejs/node#27880). `hostFallback` serves HTTP/1.0 clients without Host.
 */
export function requestHeadText(head: RequestHead, hostFallback: string): string {
  const { headers } = head
  if (head.bodyLength === 0) writeFraming(headers, headers.known(CONTENT_LENGTH) === undefined ? ABSENT : 0)
  else writeFraming(headers, head.bodyLength)
  let text = `${head.method} ${head.path} HTTP/1.1\r\n`
  if (head.host === '') text += `Host: ${hostFallback}\r\n`
  text += headers.serialize()
  if (head.upgrade !== '') text += `Connection: Upgrade\r\nUpgrade: ${head.upgrade}\r\n`
  else if (head.wantsTrailers) text += 'Connection: TE\r\nTE: trailers\r\n'
  return `${text}\r\n`
}

/** How the body of a response goes to the client: a byte count, CHUNKED or UNTIL_CLOSE. */
export function responseFraming(head: ResponseHead, clientVersion: number): number {
  if (head.bodyLength >= 0) return head.bodyLength
  return clientVersion === 10 ? UNTIL_CLOSE : CHUNKED
}

/**
 * A final response head. `bodiless`: to HEAD, or a 204 or 304, where Content-Length only tells (RFC 9110 §8.6).
 * `close` says so to the client.
 */
export function responseHeadText(head: ResponseHead, framing: number, bodiless: boolean, close: boolean): string {
  const { headers } = head
  writeFraming(headers, bodiless ? (head.statedLength >= 0 ? head.statedLength : ABSENT) : framing)
  const reason = head.reason === '' ? (STATUS_CODES[head.status] ?? '') : head.reason
  const text = `HTTP/1.1 ${head.status} ${reason}\r\n${headers.serialize()}`
  // A sender of Upgrade says so in Connection too (RFC 9110 §7.8); it was left on a 426 alone.
  const upgrade = head.status === 426 && headers.get('upgrade') !== undefined
  if (upgrade) return `${text}Connection: ${close ? 'close, Upgrade' : 'Upgrade'}\r\n\r\n`
  return close ? `${text}Connection: close\r\n\r\n` : `${text}\r\n`
}

/** A 1xx head. */
export function informationalText(head: ResponseHead): string {
  return `HTTP/1.1 ${head.status} ${head.reason}\r\n${head.headers.serialize()}\r\n`
}

/** The head after which the connection is a tunnel: a 101, or a 2xx to CONNECT. */
export function switchingText(head: ResponseHead, connect: boolean): string {
  const fields = head.headers.serialize()
  return connect
    ? `HTTP/1.1 ${head.status} ${head.reason}\r\n${fields}\r\n`
    : `HTTP/1.1 101 ${head.reason}\r\n${fields}Connection: Upgrade\r\n\r\n`
}
