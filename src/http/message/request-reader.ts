/** Reads request heads: bytes → a validated {@link RequestHead}, or a refusal (RFC 9112 §3, §5, §6). */
import { type ErrorCode, ProxyError } from '../../core/errors.ts'
import type { HeaderBlock } from '../../core/headers.ts'
import { knownId } from '../../core/known-names.ts'
import { detached, latin1 } from '../../core/latin1.ts'
import { CHUNKED, type RequestHead } from '../../core/message.ts'
import { type ConnectionOptions, takeConnectionOptions } from './connection-options.ts'
import { ABSENT, IN_DOUBT, readFraming } from './framing.ts'
import { FAULT, type SectionLimits, SectionReader } from './section-reader.ts'
import { httpVersion, SP, TARGET, TOKEN } from './syntax.ts'
import { validHost } from './target.ts'

const ID = {
  host: knownId('host'),
  expect: knownId('expect'),
  upgrade: knownId('upgrade'),
  te: knownId('te'),
  keepAlive: knownId('keep-alive'),
  proxyConnection: knownId('proxy-connection'),
  http2Settings: knownId('http2-settings'),
  key: knownId('sec-websocket-key'),
  keyVersion: knownId('sec-websocket-version'),
}

/** Longer methods are refused: the longest registered one has 17 characters. */
const MAX_METHOD = 32

/** Reader of the request heads of one connection. */
export class RequestReader {
  readonly #section: SectionReader
  readonly #options: ConnectionOptions = { close: false, keepAlive: false, upgrade: false, forbidden: '' }
  #methodEnd = 0
  #targetEnd = 0
  #minor = 1
  #lineCode: ErrorCode = 'bad_request_line'
  #lineDetail = ''
  /** The Host of the request before, found good: on most connections it is always the same. */
  #validHost: string | undefined
  /** The refusal, after a read returned FAULT. */
  error: ProxyError | undefined

  constructor(limits: SectionLimits) {
    this.#section = new SectionReader(limits, (buf, start, end) => this.#requestLine(buf, start, end))
  }

  /**
   * Read the head that begins at `start`. Returns its length in bytes, 0 where more bytes are needed, or FAULT with
   * {@link error} set. `head` is filled anew. `fresh` is true on the first call for a head.
   */
  read(buf: Buffer, start: number, end: number, head: RequestHead, fresh: boolean): number {
    if (fresh) {
      this.#section.reset()
      // A head that cannot be read must not look like the one before it.
      head.forget()
      this.error = undefined
      this.#methodEnd = 0
      this.#lineCode = 'bad_request_line'
      this.#lineDetail = ''
    }
    const length = this.#section.read(buf, start, end, head.headers)
    if (length === FAULT) {
      this.error = this.#sectionError(buf, start, end)
      // An answer to HEAD has no body, a refusal neither. Empty where the method was not read.
      head.method = latin1(buf, start, start + this.#methodEnd)
    } else if (length > 0) this.error = this.#finish(head)
    return this.error === undefined ? length : FAULT
  }

  /** `method SP request-target SP HTTP-version` (RFC 9112 §3). */
  #requestLine(buf: Buffer, start: number, end: number): boolean {
    let at = start
    while (TOKEN[buf[at]!] === 1) at++
    if (at === start) return this.#badLine('bad_request_line', 'no method')
    if (buf[at] !== SP) return this.#badLine(at < end ? 'bad_method' : 'bad_request_line', 'the method is not a token')
    if (at - start > MAX_METHOD) return this.#badLine('bad_method', 'the method is too long')
    this.#methodEnd = at++ - start
    const targetStart = at
    while (TARGET[buf[at]!] === 1) at++
    if (at === targetStart) return this.#badLine('bad_target', 'the target is empty')
    if (buf[at] !== SP) {
      const simple = at >= end
      return this.#badLine(simple ? 'bad_request_line' : 'bad_target', simple ? 'no version' : 'a bad character')
    }
    this.#targetEnd = at++ - start
    return this.#version(buf, at, end)
  }

  #version(buf: Buffer, at: number, end: number): boolean {
    const version = end - at === 8 ? httpVersion(buf, at) : 0
    if (version !== 0) this.#minor = version
    else if (/^HTTP\/[0-9]\.[0-9]$/.test(latin1(buf, at, Math.min(at + 9, end))))
      return this.#badLine('bad_version', 'only 1.0 and 1.1')
    else return this.#badLine('bad_request_line', 'the version is malformed')
    return true
  }

  #badLine(code: ErrorCode, detail: string): boolean {
    this.#lineCode = code
    this.#lineDetail = detail
    return false
  }

  #sectionError(buf: Buffer, start: number, end: number): ProxyError {
    const { fault, detail } = this.#section
    if (fault === 'start-line-too-long' && methodTooLong(buf, start, end)) {
      return new ProxyError('bad_method', 'head', 'the method is too long')
    }
    if (fault === 'too-large') return new ProxyError('head_too_large', 'head', detail)
    if (fault === 'start-line-too-long') return new ProxyError('target_too_long', 'head', detail)
    if (fault === 'start-line') return new ProxyError(this.#lineCode, 'head', detail || this.#lineDetail)
    return new ProxyError('bad_header', 'head', detail)
  }

  /** The fields are complete: check what they mean together. */
  #finish(head: RequestHead): ProxyError | undefined {
    const { headers } = head
    head.method = headers.slice(0, this.#methodEnd)
    head.target = headers.slice(this.#methodEnd + 1, this.#targetEnd)
    head.version = this.#minor
    head.upgrade = ''
    head.expectContinue = false
    head.wantsTrailers = false
    return this.#target(head) ?? this.#framing(head) ?? this.#connection(head) ?? this.#rare(head)
  }

  /** Target form against method, and Host (RFC 9112 §3.2). */
  #target(head: RequestHead): ProxyError | undefined {
    const { method, target, headers } = head
    const hosts = headers.countOf(ID.host)
    if (hosts > 1) return bad('bad_host', 'more than one Host')
    const host = hosts === 1 ? headers.known(ID.host)! : ''
    if (hosts === 0 && head.version === 11) return bad('bad_host', 'no Host')
    if (hosts === 1 && host !== this.#validHost) {
      if (!validHost(host)) return bad('bad_host', host === '' ? 'an empty Host' : 'a bad character')
      this.#validHost = detached(host)
    }
    head.host = host
    head.path = target
    if (method === 'CONNECT') return validAuthority(target) ? undefined : bad('bad_target', 'CONNECT wants host:port')
    if (target.charCodeAt(0) === 0x2f) return undefined
    if (target === '*') return method === 'OPTIONS' ? undefined : bad('bad_target', '* is for OPTIONS alone')
    return this.#absoluteForm(head, host)
  }

  #absoluteForm(head: RequestHead, host: string): ProxyError | undefined {
    const match = /^https?:\/\/([^/?]+)(.*)$/i.exec(head.target)
    if (match === null) return bad('bad_target', 'neither a path nor an absolute http URI')
    const [, authority = '', rest = ''] = match
    if (!validHost(authority)) return bad('bad_target', 'a bad authority')
    if (host !== '' && host.toLowerCase() !== authority.toLowerCase()) {
      return bad('bad_host', 'Host and the authority of the target differ')
    }
    head.host = authority
    if (host === '') head.headers.appendOwn('Host', authority)
    head.path = rest === '' && head.method === 'OPTIONS' ? '*' : rest.startsWith('/') ? rest : `/${rest}`
    return undefined
  }

  #framing(head: RequestHead): ProxyError | undefined {
    const framing = readFraming(head.headers)
    if (framing === IN_DOUBT) return bad('bad_framing', 'Content-Length or Transfer-Encoding')
    // A chunked HTTP/1.0 request means that somebody on the way did not understand it (RFC 9112 §6.1).
    if (framing === CHUNKED && head.version === 10) return bad('bad_framing', 'Transfer-Encoding on HTTP/1.0')
    head.bodyLength = framing === ABSENT ? 0 : framing
    if (head.method === 'CONNECT' && head.bodyLength !== 0) return bad('bad_framing', 'a body on CONNECT')
    return undefined
  }

  #connection(head: RequestHead): ProxyError | undefined {
    const options = this.#options
    takeConnectionOptions(head.headers, options)
    if (options.forbidden !== '') return bad('bad_connection_option', `Connection names ${options.forbidden}`)
    head.keepAlive = head.version === 11 && !options.close
    return undefined
  }

  /** Fields that most requests do not have. */
  #rare(head: RequestHead): ProxyError | undefined {
    const { headers } = head
    if (headers.countOf(ID.keepAlive) > 0) headers.dropKnown(ID.keepAlive)
    if (headers.countOf(ID.proxyConnection) > 0) headers.dropKnown(ID.proxyConnection)
    if (headers.countOf(ID.http2Settings) > 0) headers.dropKnown(ID.http2Settings)
    if (headers.countOf(ID.te) > 0) this.#te(head)
    if (headers.countOf(ID.expect) > 0) {
      const value = headers.countOf(ID.expect) === 1 ? headers.known(ID.expect)!.toLowerCase() : ''
      if (value !== '100-continue') return bad('bad_expect', 'only 100-continue')
      head.expectContinue = head.version === 11
      if (head.version === 10) headers.dropKnown(ID.expect)
    }
    return headers.countOf(ID.upgrade) > 0 ? this.#upgrade(head) : undefined
  }

  #te(head: RequestHead): void {
    head.wantsTrailers = lists(head.headers, ID.te, 'trailers')
    head.headers.dropKnown(ID.te)
  }

  /** Only `websocket` may be asked for; any other protocol (h2c above all) is left out (RFC 9110 §7.8, RFC 6455 §4.1). */
  #upgrade(head: RequestHead): ProxyError | undefined {
    const { headers } = head
    const wanted = lists(headers, ID.upgrade, 'websocket')
    headers.dropKnown(ID.upgrade)
    if (!this.#options.upgrade || !wanted) return undefined
    if (head.method !== 'GET' || head.version !== 11) return bad('bad_upgrade', 'not a GET of HTTP/1.1')
    if (head.bodyLength !== 0) return bad('bad_upgrade', 'an upgrade with a body')
    const key = headers.countOf(ID.key) === 1 ? headers.known(ID.key)! : ''
    if (!/^[A-Za-z0-9+/]{22}==$/.test(key)) return bad('bad_upgrade', 'Sec-WebSocket-Key is not 16 bytes in base64')
    if (headers.countOf(ID.keyVersion) !== 1 || headers.known(ID.keyVersion) !== '13') {
      return bad('bad_upgrade', 'Sec-WebSocket-Version is not 13')
    }
    head.upgrade = 'websocket'
    return undefined
  }
}

/** Whether `wanted` is in the list that all fields of a name are together (RFC 9110 §5.3). */
function lists(headers: HeaderBlock, id: number, wanted: string): boolean {
  const all = headers.joined(id, ',').toLowerCase()
  return all === wanted || all.split(',').some((part) => part.trim() === wanted)
}

function bad(code: ErrorCode, detail: string): ProxyError {
  return new ProxyError(code, 'head', detail)
}

/** The line is too long by its method already: what is wrong is not the target. */
function methodTooLong(buf: Buffer, start: number, end: number): boolean {
  const limit = Math.min(end, start + MAX_METHOD + 1)
  let at = start
  while (at < limit && TOKEN[buf[at]!] === 1) at++
  return at - start > MAX_METHOD
}

function validAuthority(target: string): boolean {
  return validHost(target) && /:[0-9]{1,5}$/.test(target)
}
