/** HTTP/2 header block → a validated {@link RequestHead}, or a refusal (RFC 9113 §8.3.1, RFC 8441 for WebSockets). */
import { randomBytes } from 'node:crypto'
import { type ErrorCode, ProxyError } from '../../../core/errors.ts'
import { knownId } from '../../../core/known-names.ts'
import { CHUNKED, RequestHead } from '../../../core/message.ts'
import { ABSENT, IN_DOUBT, readFraming } from '../framing.ts'
import { TARGET, TOKEN } from '../syntax.ts'
import { validHost } from '../target.ts'
import type { FieldSection } from './field-section.ts'

const TE = knownId('te')
const EXPECT = knownId('expect')
const HTTP2_SETTINGS = knownId('http2-settings')
const MAX_METHOD = 32

/** Heads of finished exchanges, used again: their tables cost more to make than to empty. */
const free: RequestHead[] = []
const FREE_AT_MOST = 256

/** A head whose exchange is over. */
export function giveRequestHead(head: RequestHead): void {
  if (free.length === FREE_AT_MOST) return
  head.forget()
  free.push(head)
}

/** An empty head. */
export function takeRequestHead(): RequestHead {
  const head = free.pop() ?? new RequestHead()
  head.version = 20
  head.bodyLength = 0
  head.expectContinue = false
  return head
}

/**
 * Give the fields of `section` their meaning. `head.headers` holds the regular ones already. `endStream`: no body follows.
 * Returns the refusal, where there is one.
 */
export function finishRequestHead(
  section: FieldSection,
  head: RequestHead,
  endStream: boolean,
  maxTarget: number,
): ProxyError | undefined {
  head.method = isMethod(section.method) ? section.method : ''
  head.target = head.path = section.path
  if (section.fault !== '') return bad('bad_header', section.fault)
  section.end()
  return (
    methodAndTarget(section, head, maxTarget) ??
    authority(section, head) ??
    framing(head, endStream) ??
    rare(section, head)
  )
}

function methodAndTarget(section: FieldSection, head: RequestHead, maxTarget: number): ProxyError | undefined {
  const { method, path, scheme, protocol } = section
  if (!isMethod(method)) return bad('bad_method', method === '' ? 'no :method' : ':method is not a token')
  if (method === 'CONNECT' && protocol === '') {
    // A tunnel has neither (RFC 9113 §8.5).
    if (path !== '' || scheme !== '') return bad('bad_target', 'CONNECT with :path or :scheme')
    head.target = head.path = section.authority ?? ''
    return undefined
  }
  if (protocol !== '' && method !== 'CONNECT') return bad('bad_header', ':protocol without CONNECT')
  if (scheme !== 'http' && scheme !== 'https') return bad('bad_target', ':scheme is neither http nor https')
  if (path.length > maxTarget) return bad('target_too_long', 'the path is over the limit')
  if (path === '*') return method === 'OPTIONS' ? undefined : bad('bad_target', '* is for OPTIONS alone')
  if (path.charCodeAt(0) !== 0x2f) return bad('bad_target', ':path does not begin with a slash')
  for (let i = 0; i < path.length; i++) {
    if (TARGET[path.charCodeAt(i)] !== 1) return bad('bad_target', 'a bad character in :path')
  }
  return undefined
}

/** :authority, or Host in its place; where both are, they agree (RFC 9113 §8.3.1). */
function authority(section: FieldSection, head: RequestHead): ProxyError | undefined {
  const { hosts, host } = section
  if (hosts > 1) return bad('bad_host', 'more than one Host')
  const named = section.authority ?? (hosts === 1 ? host : undefined)
  if (named === undefined) return bad('bad_host', 'neither :authority nor Host')
  if (hosts === 1 && host.toLowerCase() !== named.toLowerCase()) return bad('bad_host', ':authority and Host differ')
  if (!validHost(named)) return bad('bad_host', named === '' ? 'an empty :authority' : 'a bad character')
  head.host = named
  return undefined
}

function framing(head: RequestHead, endStream: boolean): ProxyError | undefined {
  const length = readFraming(head.headers)
  if (length === IN_DOUBT) return bad('bad_framing', 'Content-Length')
  if (endStream) {
    if (length > 0) return bad('bad_framing', 'Content-Length without a body')
    head.bodyLength = 0
  } else head.bodyLength = length === ABSENT ? CHUNKED : length
  return undefined
}

function rare(section: FieldSection, head: RequestHead): ProxyError | undefined {
  const { headers } = head
  if (headers.countOf(HTTP2_SETTINGS) > 0) headers.dropKnown(HTTP2_SETTINGS)
  if (headers.countOf(TE) > 0) {
    head.wantsTrailers = true
    headers.dropKnown(TE)
  }
  if (headers.countOf(EXPECT) > 0) {
    const value = headers.countOf(EXPECT) === 1 ? headers.known(EXPECT)!.toLowerCase() : ''
    if (value !== '100-continue') return bad('bad_expect', 'only 100-continue')
    head.expectContinue = true
  }
  return section.protocol === '' ? undefined : extendedConnect(section, head)
}

/**
 * A WebSocket over a stream (RFC 8441 §5). From here on it is the same request as over HTTP/1.1: a GET that asks for an
 * upgrade; the key, which only HTTP/1.1 has, is of our own making.
 */
function extendedConnect(section: FieldSection, head: RequestHead): ProxyError | undefined {
  if (section.protocol !== 'websocket') return bad('bad_upgrade', ':protocol is not websocket')
  if (head.headers.get('sec-websocket-version') !== '13') return bad('bad_upgrade', 'Sec-WebSocket-Version is not 13')
  head.method = 'GET'
  head.upgrade = 'websocket'
  head.bodyLength = 0
  head.headers.set('sec-websocket-key', randomBytes(16).toString('base64'))
  return undefined
}

function isMethod(method: string): boolean {
  if (method.length === 0 || method.length > MAX_METHOD) return false
  for (let i = 0; i < method.length; i++) if (TOKEN[method.charCodeAt(i)] !== 1) return false
  return true
}

function bad(code: ErrorCode, detail: string): ProxyError {
  return new ProxyError(code, 'head', detail)
}
