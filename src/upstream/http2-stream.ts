/** One stream to an upstream: the request of an attempt, and its response. */
import { nowUs } from '../core/clock.ts'
import { ProxyError } from '../core/errors.ts'
import { RPC_NONE } from '../core/grpc.ts'
import type { HeaderBlock } from '../core/headers.ts'
import { CHUNKED } from '../core/message.ts'
import { phaseOf } from '../exchange/phase.ts'
import * as h2 from '../http/message/http2/frames.ts'
import { HPACK_FAULT, HPACK_OK } from '../http/message/http2/hpack-decoder.ts'
import { finishResponseHead, giveResponseHead, takeResponseHead } from '../http/message/http2/response-head.ts'
import type { Http2Session } from '../http/message/http2/session.ts'
import { Http2Stream } from '../http/message/http2/stream.ts'
import { brokenOff, MAX_INFORMATIONAL } from './broken-connection.ts'
import type { Http2Attempt } from './http2-attempt.ts'
import { ResponseDeadlines, type ResponseTimeouts } from './response-deadlines.ts'

export class Http2UpstreamStream extends Http2Stream {
  readonly #attempt: Http2Attempt
  readonly #head = takeResponseHead()
  readonly #deadlines: ResponseDeadlines
  #gotHead = false
  #bodyBytes = 0
  #informational = 0
  #progressUs = -1
  #sentMark = 0
  #tunnels = false

  constructor(id: number, session: Http2Session, attempt: Http2Attempt, timeouts: ResponseTimeouts) {
    super(id, session)
    this.#attempt = attempt
    this.#deadlines = new ResponseDeadlines(timeouts)
  }

  /** Nothing of an answer came. */
  get unanswered(): boolean {
    return !this.#gotHead && this.#informational === 0
  }

  override sendEnd(trailers: HeaderBlock | undefined): void {
    super.sendEnd(trailers)
    const { timing } = this.#attempt.exchange
    if (this.sentEnd && timing.sentUs < 0) timing.sentUs = nowUs()
  }

  // === the response ===

  /** A header block of this stream. Returns 0, or the code that ends the connection. */
  headers(endStream: boolean, buf: Buffer, start: number, end: number): number {
    return this.#gotHead ? this.#trailers(endStream, buf, start, end) : this.#responseHead(endStream, buf, start, end)
  }

  #responseHead(endStream: boolean, buf: Buffer, start: number, end: number): number {
    const { session } = this
    const head = this.#head
    head.headers.reset()
    session.section.begin('response', head.headers)
    const result = session.decode(buf, start, end)
    if (result === HPACK_FAULT) return h2.COMPRESSION_ERROR
    if (result !== HPACK_OK) {
      this.fail(new ProxyError('response_head_too_large', 'wait', 'the header list is over the limit'), h2.CANCEL)
      return 0
    }
    const { exchange } = this.#attempt
    const error = finishResponseHead(session.section, head, exchange.request.method, endStream)
    if (error !== undefined) this.fail(error, h2.PROTOCOL_ERROR)
    else if (head.status < 200) this.#relayInformational()
    else this.#respond(endStream)
    return 0
  }

  #relayInformational(): void {
    if (++this.#informational > MAX_INFORMATIONAL) {
      this.fail(new ProxyError('too_many_informational', 'wait'), h2.ENHANCE_YOUR_CALM)
    } else this.#attempt.events.onAttemptInformational(this.#attempt, this.#head)
  }

  #respond(endStream: boolean): void {
    this.#gotHead = true
    this.#progressUs = this.session.lastReadUs
    const attempt = this.#attempt
    attempt.exchange.timing.responseUs = this.#progressUs
    if (attempt.upgrades && this.#head.status < 300) {
      this.#tunnels = true
      attempt.leaveHttp(this.#head, this)
    } else attempt.events.onAttemptHead(attempt, this.#head)
    // A tunnel whose server has nothing to say as well.
    if (endStream && !this.closed) this.session.endReceived(this, undefined)
  }

  #trailers(endStream: boolean, buf: Buffer, start: number, end: number): number {
    const { section } = this.session
    const block = this.session.trailerBlock()
    section.begin('trailers', block)
    const result = this.session.decode(buf, start, end)
    if (result === HPACK_FAULT) return h2.COMPRESSION_ERROR
    // The response was whole, and may still be on its way to the client.
    if (this.receivedEnd) return h2.STREAM_CLOSED
    if (!endStream || section.fault !== '' || result !== HPACK_OK) {
      const detail = section.fault === '' ? 'trailers that are too large or do not end the stream' : section.fault
      this.fail(new ProxyError('bad_response', 'receive', detail), h2.PROTOCOL_ERROR)
    } else this.session.endReceived(this, block.count > 0 ? block : undefined)
    return 0
  }

  protected onBody(buf: Buffer, start: number, end: number): void {
    this.#bodyBytes += end - start
    this.#progressUs = this.session.lastReadUs
    const { bodyLength } = this.#head
    const over = bodyLength !== CHUNKED && this.#bodyBytes > bodyLength
    if (!this.#gotHead || over) {
      const detail = over ? 'more bytes than Content-Length says' : 'a body before the head'
      this.fail(new ProxyError('bad_response', 'receive', detail), h2.PROTOCOL_ERROR)
    } else this.#attempt.events.onAttemptData(this.#attempt, buf, start, end)
  }

  protected onBodyEnd(trailers: HeaderBlock | undefined): void {
    const { bodyLength } = this.#head
    if (!this.#gotHead || (bodyLength !== CHUNKED && this.#bodyBytes !== bodyLength)) {
      this.fail(
        new ProxyError('upstream_aborted', 'receive', 'fewer bytes than Content-Length says'),
        h2.PROTOCOL_ERROR,
      )
      return
    }
    const attempt = this.#attempt
    attempt.exchange.timing.receivedUs = this.session.lastReadUs
    attempt.over()
    attempt.events.onAttemptEnd(attempt, trailers)
    // An answer before the end of the request: the rest of it is wanted by nobody.
    if (!this.sentEnd) this.session.resetStream(this, h2.CANCEL, false)
    // Where the end has to wait, somebody may still look at it.
    if (attempt.exchange.finished) giveResponseHead(this.#head)
  }

  /** End of a batch: what the client is to get should leave now. */
  flushDownstream(): void {
    if (!this.#attempt.exchange.finished) this.#attempt.events.onAttemptFlush(this.#attempt)
  }

  protected onDrained(): void {
    this.#attempt.events.onAttemptDrain(this.#attempt)
  }

  protected onReset(code: number, cause: Error | undefined): void {
    this.#attempt.fail(this.#reasonOf(code, cause))
  }

  #reasonOf(code: number, cause: Error | undefined): ProxyError {
    const { session } = this
    const { exchange } = this.#attempt
    const phase = phaseOf(exchange)
    if (code === h2.REFUSED_STREAM && this.unanswered) return new ProxyError('stream_refused', phase)
    // A fault that we found ourselves, of the connection or, where there is a cause, of the stream.
    const ours = session.code !== 0 ? session.code : !session.closed && cause !== undefined ? code : 0
    if (ours !== 0) return new ProxyError('bad_response', phase, `it broke a rule of HTTP/2: ${h2.errorName(ours)}`)
    if (session.closed) return brokenOff(exchange, !this.unanswered, true, cause)
    return new ProxyError('stream_reset', phase, '', { errno: h2.errorName(code) })
  }

  /** Give the stream up for a fault of the upstream. */
  fail(error: ProxyError, code: number): void {
    this.session.resetStream(this, code, false)
    this.#attempt.fail(error)
  }

  /** Look at the timeouts. */
  overdue(now: number): void {
    const { sentUs } = this.#attempt.exchange.timing
    if (this.#tunnels) return
    const { exchange } = this.#attempt
    // A response that we do not take is not late; one to a request that still goes out is a conversation, and so is a
    // gRPC call, which may be silent for days: their peers are found out by pings.
    const moved = this.bytesSent !== this.#sentMark
    this.#sentMark = this.bytesSent
    if (this.#gotHead && (this.paused || moved || exchange.rpc !== RPC_NONE)) {
      this.#progressUs = now
      return
    }
    const { wire } = this.session
    const waiting = this.waitingBytes
    const error = this.#deadlines.overdue(now, exchange, {
      state: this.#gotHead ? 'body' : sentUs < 0 ? 'sending' : 'response',
      sentUs,
      headStartUs: -1,
      progressUs: this.#progressUs,
      queuedBytes: waiting > 0 ? waiting : wire.queuedBytes,
      takenMark: waiting > 0 ? this.bytesSent : wire.takenMark,
    })
    if (error !== undefined) this.fail(error, h2.CANCEL)
  }
}
