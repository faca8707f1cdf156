/** Reads response heads: bytes → a validated {@link ResponseHead}, or a refusal (RFC 9112 §4, §6.3). */
import { ProxyError } from '../../core/errors.ts'
import { knownId } from '../../core/known-names.ts'
import { CHUNKED, type ResponseHead, UNTIL_CLOSE } from '../../core/message.ts'
import { type ConnectionOptions, takeConnectionOptions } from './connection-options.ts'
import { ABSENT, IN_DOUBT, readFraming, writeFraming } from './framing.ts'
import { FAULT, type SectionLimits, SectionReader } from './section-reader.ts'
import { httpVersion, SP } from './syntax.ts'

const KEEP_ALIVE = knownId('keep-alive')
const PROXY_CONNECTION = knownId('proxy-connection')
const UPGRADE = knownId('upgrade')

/** Reader of the response heads of one connection. */
export class ResponseReader {
  readonly #section: SectionReader
  readonly #options: ConnectionOptions = { close: false, keepAlive: false, upgrade: false, forbidden: '' }
  #status = 0
  #minor = 11
  #reasonStart = 0
  #reasonEnd = 0
  #lineDetail = ''
  /** The refusal, after a read returned FAULT. */
  error: ProxyError | undefined

  constructor(limits: SectionLimits) {
    this.#section = new SectionReader(limits, (buf, start, end) => this.#statusLine(buf, start, end))
  }

  /** `Connection: upgrade` was on the last head. */
  get connectionUpgrade(): boolean {
    return this.#options.upgrade
  }

  /**
   * Read the head that begins at `start`. `method` is the request's: responses to HEAD have no body (RFC 9110 §9.3.2).
   * Returns the length in bytes, 0 where more are needed, or FAULT with {@link error} set.
   */
  read(buf: Buffer, start: number, end: number, head: ResponseHead, method: string, fresh: boolean): number {
    if (fresh) {
      this.#section.reset()
      head.headers.reset()
      this.error = undefined
      this.#lineDetail = ''
    }
    const length = this.#section.read(buf, start, end, head.headers)
    if (length === FAULT) this.error = this.#sectionError()
    else if (length > 0) this.error = this.#finish(head, method)
    return this.error === undefined ? length : FAULT
  }

  /** `HTTP/1.x SP 3DIGIT SP [reason]`; the space before an empty reason may be missing, as many servers have it. */
  #statusLine(buf: Buffer, start: number, end: number): boolean {
    const version = end - start > 8 && buf[start + 8] === SP ? httpVersion(buf, start) : 0
    if (version === 0) return this.#bad('the version is not HTTP/1.0 or 1.1')
    this.#minor = version
    let status = 0
    for (let i = start + 9; i < start + 12; i++) {
      const digit = i < end ? buf[i]! - 48 : -1
      if (digit < 0 || digit > 9) return this.#bad('the status is not three digits')
      status = status * 10 + digit
    }
    if (status < 100 || status > 599) return this.#bad('the status is not from 100 to 599')
    if (end > start + 12 && buf[start + 12] !== SP) return this.#bad('the status is not three digits')
    this.#status = status
    this.#reasonStart = Math.min(13, end - start)
    this.#reasonEnd = end - start
    return true
  }

  #bad(detail: string): boolean {
    this.#lineDetail = detail
    return false
  }

  #sectionError(): ProxyError {
    const { fault, detail } = this.#section
    if (fault === 'too-large') return new ProxyError('response_head_too_large', 'wait', detail)
    return new ProxyError('bad_response', 'wait', detail || this.#lineDetail)
  }

  #finish(head: ResponseHead, method: string): ProxyError | undefined {
    const { headers } = head
    head.status = this.#status
    head.version = this.#minor
    head.reason = headers.slice(this.#reasonStart, this.#reasonEnd)
    const options = this.#options
    takeConnectionOptions(headers, options)
    head.keepAlive = this.#minor === 11 ? !options.close : options.keepAlive && !options.close
    head.keepAliveTimeoutMs = 0
    if (headers.countOf(KEEP_ALIVE) > 0) {
      const timeout = /(?:^|[\s,])timeout=(\d{1,6})/i.exec(headers.known(KEEP_ALIVE)!)
      head.keepAliveTimeoutMs = timeout === null ? 0 : Number(timeout[1]) * 1000
      headers.dropKnown(KEEP_ALIVE)
    }
    if (headers.countOf(PROXY_CONNECTION) > 0) headers.dropKnown(PROXY_CONNECTION)
    // An offer of the server's (h2c mostly) is for us, not for the client (RFC 9110 §7.8); 101 and 426 need the field.
    if (headers.countOf(UPGRADE) > 0 && head.status !== 101 && head.status !== 426) headers.dropKnown(UPGRADE)
    return this.#framing(head, method)
  }

  /** Message body length (RFC 9112 §6.3). */
  #framing(head: ResponseHead, method: string): ProxyError | undefined {
    const { status } = head
    if (method === 'CONNECT' && status >= 200 && status < 300) {
      // Fields that must not be there and are to be ignored: bytes of the tunnel follow (RFC 9110 §9.3.6).
      writeFraming(head.headers, ABSENT)
      head.statedLength = -1
      head.bodyLength = 0
      return undefined
    }
    const framing = readFraming(head.headers)
    if (framing === IN_DOUBT) return new ProxyError('bad_response', 'wait', 'the length of the body is in doubt')
    head.statedLength = framing >= 0 ? framing : -1
    if (status < 200 || status === 204) {
      if (framing !== ABSENT && !(status === 204 && framing === 0)) {
        return new ProxyError('bad_response', 'wait', `framing fields on a ${status}`)
      }
      head.statedLength = -1
      head.bodyLength = 0
    } else if (method === 'HEAD' || status === 304) {
      head.bodyLength = 0
    } else if (framing === CHUNKED && this.#minor === 10) {
      return new ProxyError('bad_response', 'wait', 'Transfer-Encoding on HTTP/1.0')
    } else {
      head.bodyLength = framing === ABSENT ? UNTIL_CLOSE : framing
      if (framing === ABSENT) head.keepAlive = false
    }
    return undefined
  }
}
