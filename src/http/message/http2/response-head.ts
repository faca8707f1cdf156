/** HTTP/2 header block → a validated {@link ResponseHead}, or a refusal (RFC 9113 §8.3.2). */
import { ProxyError } from '../../../core/errors.ts'
import { CHUNKED, ResponseHead } from '../../../core/message.ts'
import { ABSENT, IN_DOUBT, readFraming } from '../framing.ts'
import type { FieldSection } from './field-section.ts'

/** Heads of finished exchanges, used again: their tables cost more to make than to empty. */
const free: ResponseHead[] = []
const FREE_AT_MOST = 256

/** A head to be filled by {@link finishResponseHead}. */
export function takeResponseHead(): ResponseHead {
  return free.pop() ?? new ResponseHead()
}

/** A head whose exchange is over. */
export function giveResponseHead(head: ResponseHead): void {
  if (free.length < FREE_AT_MOST) free.push(head)
}

/** `method` is the request's: responses to HEAD have no body. Returns the refusal, where there is one. */
export function finishResponseHead(
  section: FieldSection,
  head: ResponseHead,
  method: string,
  endStream: boolean,
): ProxyError | undefined {
  if (section.fault !== '') return bad(section.fault)
  section.end()
  const { status } = section
  if (!/^[1-5][0-9][0-9]$/.test(status)) return bad(':status is not from 100 to 599')
  head.status = Number(status)
  head.reason = ''
  head.version = 20
  head.keepAlive = true
  head.keepAliveTimeoutMs = 0
  if (head.status === 101) return bad('101 is not for HTTP/2')
  if (head.status < 200 && endStream) return bad('an interim response that ends the stream')
  return framing(head, method, endStream)
}

function framing(head: ResponseHead, method: string, endStream: boolean): ProxyError | undefined {
  const length = readFraming(head.headers)
  if (length === IN_DOUBT) return bad('the length of the body is in doubt')
  const bodiless = method === 'HEAD' || head.status === 204 || head.status === 304 || head.status < 200
  head.statedLength = length >= 0 ? length : -1
  if (bodiless) {
    head.bodyLength = 0
    if (length > 0 && head.status === 204) return bad('a body on a 204')
  } else if (endStream) {
    if (length > 0) return bad('Content-Length without a body')
    head.bodyLength = 0
  } else head.bodyLength = length === ABSENT ? CHUNKED : length
  return undefined
}

function bad(detail: string): ProxyError {
  return new ProxyError('bad_response', 'wait', detail)
}
