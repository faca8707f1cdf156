/** One stream of a client: a request and its response, as the driver sees them. */
import { nowUs } from '../core/clock.ts'
import { ProxyError } from '../core/errors.ts'
import { RPC_NONE } from '../core/grpc.ts'
import type { HeaderBlock } from '../core/headers.ts'
import { CHUNKED, type RequestHead, type ResponseHead } from '../core/message.ts'
import type { Driver } from '../exchange/driver.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { phaseOf } from '../exchange/phase.ts'
import type { Downstream, TunnelEnd, TunnelFacts } from '../exchange/ports.ts'
import * as h2 from './message/http2/frames.ts'
import { giveRequestHead } from './message/http2/request-head.ts'
import { responseBlock } from './message/http2/send-fields.ts'
import type { Http2Session } from './message/http2/session.ts'
import { Http2Stream, StreamReset } from './message/http2/stream.ts'
import { DownstreamDeadlines, type DownstreamTimeouts } from './server-deadlines.ts'
import { joinUpgraded } from './upgraded.ts'

const NOTHING = Buffer.alloc(0)

export class Http2ServerStream extends Http2Stream implements Downstream {
  readonly head: RequestHead
  readonly #driver: Driver
  readonly deadlines: DownstreamDeadlines
  /** Set at once after it was made; the two refer to each other. */
  x!: Exchange
  #bodyBytes = 0
  #bodiless = false
  #tunnels = false
  /** The driver knows of it. */
  started = false

  constructor(id: number, session: Http2Session, head: RequestHead, driver: Driver, timeouts: DownstreamTimeouts) {
    super(id, session)
    this.head = head
    this.#driver = driver
    this.deadlines = new DownstreamDeadlines(timeouts)
    // Until somebody takes the body.
    this.pause()
  }

  /** Everything of the batch was read: go. */
  start(): void {
    this.started = true
    this.#driver.start(this.x)
    this.#takeIfWanted()
  }

  #takeIfWanted(): void {
    // What a client sends before its upgrade was agreed to must not be read as anything.
    if (!this.closed && this.head.upgrade === '' && this.#driver.takesData(this.x)) this.resume()
  }

  // === the request ===

  override receive(buf: Buffer, start: number, end: number, flowBytes: number): boolean {
    this.#waitForAttempt()
    return super.receive(buf, start, end, flowBytes)
  }

  override receiveEnd(trailers: HeaderBlock | undefined): void {
    this.#waitForAttempt()
    super.receiveEnd(trailers)
  }

  /** Between two attempts nobody takes the body: it waits here until `resumeRequest`. */
  #waitForAttempt(): void {
    if (this.started && !this.#tunnels && !this.x.finished && !this.#driver.takesData(this.x)) this.pause()
  }

  protected onBody(buf: Buffer, start: number, end: number): void {
    this.#bodyBytes += end - start
    this.deadlines.progress(nowUs())
    this.deadlines.bodyCame(end - start)
    const { bodyLength } = this.head
    if (this.x.finished) return
    if (bodyLength !== CHUNKED && this.#bodyBytes > bodyLength) this.#badLength()
    else this.#driver.requestData(this.x, buf, start, end)
  }

  protected onBodyEnd(trailers: HeaderBlock | undefined): void {
    const { bodyLength } = this.head
    if (this.x.finished) return
    if (bodyLength !== CHUNKED && this.#bodyBytes !== bodyLength) this.#badLength()
    else this.#driver.requestEnd(this.x, trailers)
  }

  /** The data are not what Content-Length said (RFC 9113 §8.1.1). */
  #badLength(): void {
    this.malformed = true
    this.fail(new ProxyError('bad_framing', 'send', 'the body is not as long as Content-Length says'))
  }

  fail(error: ProxyError): void {
    if (this.x.finished) return
    if (this.started) this.#driver.downstreamFailed(this.x, error)
    else {
      // Of the same batch as its head.
      this.started = true
      this.#driver.refuse(this.x, error)
    }
  }

  protected onReset(code: number, cause: Error | undefined): void {
    if (this.x.finished || !this.started) return
    // A FIN has no errno.
    const fin = this.session.closed && this.session.code === 0
    this.#driver.downstreamClosed(this.x, cause ?? (fin ? undefined : new StreamReset(code)))
  }

  flushRequest(): void {
    if (this.started && !this.x.finished) this.#driver.flushRequest(this.x)
  }

  protected onDrained(): void {
    this.deadlines.progress(nowUs())
    if (!this.x.finished) this.#driver.downstreamDrained(this.x)
  }

  // === the way back ===

  informational(head: ResponseHead): void {
    if (head.status === 100) this.deadlines.continued(nowUs())
    if (!this.closed) this.session.output.headers(this.id, responseBlock(this.session.encoder, head, true), false)
    this.session.output.flush()
  }

  respond(_x: Exchange, head: ResponseHead): void {
    this.#bodiless = this.head.method === 'HEAD' || head.status === 204 || head.status === 304
    if (this.#bodiless && head.statedLength < 0 && head.bodyLength > 0) head.statedLength = head.bodyLength
    if (this.closed) return
    this.session.output.headers(this.id, responseBlock(this.session.encoder, head, this.#bodiless), false)
  }

  data(buf: Buffer, start: number, end: number): boolean {
    return this.#bodiless || this.sendData(buf, start, end)
  }

  end(trailers: HeaderBlock | undefined): void {
    this.sendEnd(trailers)
    this.session.flushSoon()
  }

  /** The last of an answer that had to wait leaves after its exchange is over. */
  override sendEnd(trailers: HeaderBlock | undefined): void {
    super.sendEnd(trailers)
    if (this.sentEnd && this.x.finished && !this.receivedEnd) this.session.resetStream(this, h2.NO_ERROR, false)
  }

  flush(): void {
    this.session.flushSoon()
  }

  pauseRequest(): void {
    this.pause()
  }

  resumeRequest(): void {
    this.deadlines.progress(nowUs())
    this.#takeIfWanted()
    if (!this.x.finished) this.#driver.flushRequest(this.x)
    this.session.output.flush()
  }

  abort(): void {
    this.session.resetStream(this, this.malformed ? h2.PROTOCOL_ERROR : h2.INTERNAL_ERROR, this.malformed)
    this.session.output.flush()
  }

  /** The answer is complete: a request that still comes is not wanted any more (RFC 9113 §8.1). */
  finished(): void {
    // A stage that still waits may look at the head of an exchange that broke off.
    if (this.x.error === undefined) giveRequestHead(this.head)
    if (this.malformed) this.#tellFault()
    else if (!this.closed && !this.receivedEnd && this.sentEnd) this.session.resetStream(this, h2.NO_ERROR, false)
    else if (!this.closed && !this.receivedEnd) this.resume()
  }

  /** A malformed request was answered all the same, so that somebody can see why. */
  #tellFault(): void {
    const { session } = this
    if (!this.closed) session.resetStream(this, h2.PROTOCOL_ERROR, true)
    else if (this.sentEnd && this.receivedEnd && !session.closed) {
      session.output.reset(this.id, h2.PROTOCOL_ERROR)
      session.countReset()
    }
  }

  /** Leave HTTP on this stream; the 101 of HTTP/1.1 is a 200 here (RFC 8441 §5). */
  upgrade(head: ResponseHead, upstream: TunnelEnd, closed: (facts: TunnelFacts) => void): void {
    const { session } = this
    session.output.headers(this.id, responseBlock(session.encoder, head, true), false)
    this.#tunnels = true
    const channel = this.openChannel()
    joinUpgraded(this.head, { wire: channel, early: NOTHING }, upstream, closed)
    session.flushSoon()
  }

  // === deadlines ===

  /** The timeout that this exchange has run into, if any. */
  overdue(now: number): void {
    const { x } = this
    if (this.#tunnels) return
    if (x.finished) {
      if (!this.closed && this.deadlines.readerStuck(now, this.waitingBytes, this.bytesSent)) this.abort()
      return
    }
    const { wire } = this.session
    const waiting = this.waitingBytes
    const body = { readingBody: this.#owesBody(), rated: this.head.bodyLength !== CHUNKED }
    // What waits for this stream's window does not move because other streams do.
    const queue = waiting > 0 ? { queuedBytes: waiting, takenMark: this.bytesSent } : wire
    const code = this.deadlines.exchangeOver(now, body, queue)
    if (code !== undefined) this.fail(new ProxyError(code, phaseOf(x)))
  }
  /**
   * It is the client's turn to send. A stream without a length may be a conversation: it has to say something until it is
   * answered, and a gRPC call not even that. A client that is gone is found by the ping of its connection.
   */
  #owesBody(): boolean {
    const { x } = this
    if (this.receivedEnd || this.holds || this.paused || !this.#driver.takesData(x)) return false
    return this.head.bodyLength !== CHUNKED || (!x.responded && x.rpc === RPC_NONE)
  }
}
