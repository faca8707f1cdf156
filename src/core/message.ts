/** HTTP message heads as values, whatever the wire version they came in. */
import { HeaderBlock } from './headers.ts'

/** Body length of a message: a byte count, or one of the two below. */
export const CHUNKED = -1
/** Response only: the body ends when the connection does (RFC 9112 §6.3 item 8). */
export const UNTIL_CLOSE = -2

/** A parsed and validated request head. Slots are refilled for the next request of the connection. */
export class RequestHead {
  method = ''
  /** As received: origin-form, absolute-form, authority-form or `*`. */
  target = ''
  /** Path with query that is sent on; equals `target` but for absolute-form. */
  path = ''
  /** The authority: from an absolute-form target, else from Host; '' where HTTP/1.0 gave none. */
  host = ''
  /** 10, 11 or 20. */
  version = 11
  /** Bytes of the body, or {@link CHUNKED}. */
  bodyLength = 0
  /** Whether the client lets the connection be used again (RFC 9112 §9.3). */
  keepAlive = true
  expectContinue = false
  /** Protocol of a well-formed upgrade request (`websocket`), '' otherwise. */
  upgrade = ''
  /** The client sent `TE: trailers`. */
  wantsTrailers = false
  readonly headers = new HeaderBlock()

  /** As new, for the next one: nothing of the text it came in is kept. What only a good head sets may stay as it was. */
  forget(): void {
    this.method = ''
    this.target = ''
    this.path = ''
    this.host = ''
    this.version = 11
    this.upgrade = ''
    this.keepAlive = true
    this.wantsTrailers = false
    this.headers.reset()
  }
}

/** A parsed and validated response head. */
export class ResponseHead {
  status = 0
  reason = ''
  /** 10, 11 or 20. */
  version = 11
  /** Bytes of the body, {@link CHUNKED} or {@link UNTIL_CLOSE}; 0 for responses that have none. */
  bodyLength = 0
  /** A Content-Length that came on a response without body (HEAD, 304), -1 where none did. */
  statedLength = -1
  /** Whether the server lets the connection be used again. */
  keepAlive = true
  /** `Keep-Alive: timeout=N` in milliseconds, 0 where not given. */
  keepAliveTimeoutMs = 0
  headers: HeaderBlock

  constructor(headers = new HeaderBlock()) {
    this.headers = headers
  }

  /** Nothing of the text it came in is kept; the rest stays as it was until the next one is read. */
  forget(): void {
    this.reason = ''
    this.headers.reset()
  }
}
