/**
 * The client's side of HTTP/1.1: bytes of one accepted connection ↔ exchanges, one after the other. Pipelined
 * requests wait in the read buffer, so that at most one is in flight and answers come in order (RFC 9112 §9.3.2).
 */
import { nowUs } from '../core/clock.ts'
import { ProxyError } from '../core/errors.ts'
import type { HeaderBlock } from '../core/headers.ts'
import { RequestHead, type ResponseHead } from '../core/message.ts'
import type { Deadlined } from '../core/timers.ts'
import { type ConnectionInfo, Exchange } from '../exchange/exchange.ts'
import { phaseOf } from '../exchange/phase.ts'
import type { Downstream, TunnelEnd, TunnelFacts } from '../exchange/ports.ts'
import type { Wire, WireHandler } from '../net/wire.ts'
import { closesBehind, DRAIN_IDLE_MS, Http1Ending, LINGER_MS } from './http1-ending.ts'
import { Http1Responses } from './http1-responses.ts'
import { BODY, CLOSED, HEAD, IDLE, LINGER, TUNNEL, WAIT } from './http1-states.ts'
import { BodyReader, type BodySink } from './message/body-reader.ts'
import { EmptyLines } from './message/empty-lines.ts'
import { HeldBytes } from './message/held-bytes.ts'
import { RequestReader } from './message/request-reader.ts'
import { FAULT } from './message/section-reader.ts'
import { DownstreamDeadlines } from './server-deadlines.ts'
import type { ServerOptions } from './server-options.ts'
import { joinUpgraded } from './upgraded.ts'

/** Server side of one connection. */
export class Http1Server implements WireHandler, BodySink, Downstream, Deadlined {
  readonly #options: ServerOptions
  readonly #wire: Wire
  readonly #info: ConnectionInfo
  readonly #onClosed: () => void
  readonly #reader: RequestReader
  readonly #body: BodyReader
  readonly #responses: Http1Responses
  readonly #head = new RequestHead()
  readonly #held = new HeldBytes()
  readonly #deadlines: DownstreamDeadlines
  readonly #ending: Http1Ending
  readonly #emptyLines = new EmptyLines()
  #state = IDLE
  #x: Exchange | undefined
  /** In the read loop: what finishes meanwhile must not start another. */
  #reading = false
  /** The driver asked to stop reading the body. */
  #paused = false
  #closeAfter = false
  /** The next read is the first of a head. */
  #freshHead = false
  /** The client sent FIN: what it sent before is still answered. */
  #peerEnded = false
  deadlineUs = Number.POSITIVE_INFINITY

  constructor(wire: Wire, info: ConnectionInfo, options: ServerOptions, onClosed: () => void) {
    this.#wire = wire
    this.#info = info
    this.#options = options
    this.#onClosed = onClosed
    this.#reader = new RequestReader(options.limits)
    this.#body = new BodyReader(options.limits, this)
    this.#responses = new Http1Responses(wire, this.#head)
    this.#deadlines = new DownstreamDeadlines(options.timeouts)
    this.#ending = new Http1Ending(wire, this.#deadlines)
    wire.handler = this
    options.sweeper.add(this)
    this.#becomeIdle(nowUs())
  }

  /** No exchange is going on and no byte of one has come. */
  get idle(): boolean {
    return this.#state === IDLE
  }

  /** The client is the app beside us. */
  get outbound(): boolean {
    return this.#info.direction === 'outbound'
  }

  /**
   * The proxy goes away: after the exchange in flight, or the next one, the connection closes. An idle one is left a
   * moment, since closing it at once would lose a request that is on its way. Outbound calls go on as ever.
   */
  drain(): void {
    if (this.outbound) return
    this.#closeAfter = true
    if (this.#state === IDLE) this.deadlineUs = Math.min(this.deadlineUs, nowUs() + DRAIN_IDLE_MS * 1000)
  }

  /** Drain deadline: tell who waits for an answer, and close whatever goes on. */
  destroy(): void {
    this.#closeAfter = true
    if (this.#x !== undefined) this.#options.driver.cutOff(this.#x)
    this.#wire.destroy()
  }

  // === bytes from the client ===

  onBytes(buf: Buffer, start: number, end: number): void {
    if (this.#state === LINGER) {
      this.deadlineUs = this.#ending.throwAway(end - start, this.deadlineUs, this.#options.draining())
      return
    }
    const now = nowUs()
    this.#deadlines.progress(now)
    if (this.#held.length === 0) {
      const used = this.#read(buf, start, end, now)
      if (used < end) this.#held.keep(buf, used, end)
    } else {
      this.#held.keep(buf, start, end)
      this.#readHeld(now)
    }
    this.#afterBatch()
  }

  #readHeld(now: number): void {
    if (this.#reading) return
    const used = this.#read(this.#held.bytes, 0, this.#held.length, now)
    this.#held.drop(used)
  }

  /** Send on, then read on or not: what is kept back here is bounded, whatever the client pipelines. */
  #afterBatch(): void {
    const x = this.#x
    if (x !== undefined && !x.finished) this.#options.driver.flushRequest(x)
    if (this.#state === CLOSED || this.#state === TUNNEL) return
    const full = this.#held.length > this.#options.limits.connectionBufferBytes
    // What is held of a head, or of trailers, has a bound of its own and is of use only as a whole.
    if (this.#paused || (full && this.#state !== HEAD && !this.#takesBody())) this.#wire.pause()
    else this.#wire.resume()
  }

  /** Read as much as can be used now; returns the offset after it. */
  #read(buf: Buffer, start: number, end: number, now: number): number {
    this.#reading = true
    let at = start
    while (at < end) {
      const before = at
      // A client that does not take its answers gets no more of them made.
      if (this.#state === IDLE && !this.#wire.full) at = this.#findHead(buf, at, end, now)
      if (this.#state === HEAD) at = this.#readHead(buf, at, end, now)
      else if (this.#takesBody()) at = this.#readBody(buf, at, end)
      else if (this.#state === LINGER || this.#state === CLOSED) at = end
      if (at === before) break
    }
    this.#reading = false
    return at
  }

  #takesBody(): boolean {
    return this.#state === BODY && !this.#paused && this.#options.driver.takesData(this.#x!)
  }

  #findHead(buf: Buffer, start: number, end: number, now: number): number {
    const at = this.#emptyLines.skip(buf, start, end)
    if (at >= end || !this.#emptyLines.begins(buf, at, end)) return at
    this.#state = HEAD
    this.#freshHead = true
    this.#deadlines.head(now)
    this.#arm(now)
    return at
  }

  #readHead(buf: Buffer, at: number, end: number, now: number): number {
    const length = this.#reader.read(buf, at, end, this.#head, this.#freshHead)
    this.#freshHead = false
    if (length === FAULT) {
      this.#refuse(this.#reader.error!)
      return end
    }
    if (length === 0) return at
    this.#begin(now)
    return at + length
  }

  #begin(now: number): void {
    const x = this.#newExchange(now)
    const { driver } = this.#options
    if (this.#head.method === 'CONNECT' && this.#options.connectMode === 'refuse') {
      this.#closeAfter = true
      driver.refuse(x, new ProxyError('connect_refused', 'head'))
      return
    }
    if (this.#head.bodyLength === 0) x.requestEnded = true
    else {
      this.#state = BODY
      this.#body.begin(this.#head.bodyLength)
      this.#deadlines.body(now, this.#head.expectContinue)
    }
    driver.start(x)
  }

  #newExchange(now: number, startUs = now): Exchange {
    const x = new Exchange(this.#info, this.#head, this)
    x.timing.firstByteUs = this.#deadlines.headStartUs
    x.timing.startUs = startUs
    this.#info.exchanges++
    this.#x = x
    this.#paused = false
    // Before the deadline is set: that of the head is over.
    this.#state = WAIT
    this.#deadlines.exchange(now)
    this.#arm(now)
    return x
  }

  #readBody(buf: Buffer, at: number, end: number): number {
    const used = this.#body.read(buf, at, end)
    // Not where bytes arrive: the first ones come with the head.
    if (used > at) this.#deadlines.bodyCame(used - at)
    if (used !== FAULT) return used
    const x = this.#x
    if (x === undefined || x.finished) return end
    this.#closeAfter = true
    const code = this.#body.inTrailers ? 'bad_trailer' : 'bad_chunk'
    this.#options.driver.downstreamFailed(x, new ProxyError(code, 'send', this.#body.detail))
    return end
  }

  onBody(buf: Buffer, start: number, end: number): void {
    const x = this.#x
    if (x !== undefined && !x.finished) this.#options.driver.requestData(x, buf, start, end)
  }

  onBodyEnd(trailers: HeaderBlock | undefined): void {
    const x = this.#x
    if (this.#state === BODY) this.#state = WAIT
    // The upstream's socket may be full of the last piece: when it drains, nobody asks for more.
    this.#paused = false
    if (x !== undefined && !x.finished) this.#options.driver.requestEnd(x, trailers)
  }

  /** A head that cannot be read: nothing was forwarded; answer and close. It took the time since its first byte. */
  #refuse(error: ProxyError): void {
    this.#closeAfter = true
    const x = this.#newExchange(nowUs(), this.#deadlines.headStartUs)
    x.requestEnded = true
    this.#state = LINGER
    this.#options.driver.refuse(x, error)
  }

  onEnd(): void {
    this.#peerEnded = true
    if (this.#x !== undefined) this.#ending.halfClosed()
    if (this.#state === IDLE && this.#held.length > 0) this.resumeRequest()
    else this.#noMoreBytes()
  }

  /**
   * The client sent FIN. What it sent before is answered, and it may still read (RFC 9112 §9.6); one that is gone
   * shows itself by RST on our write. In LINGER both sides are done: the socket closes when all has left.
   */
  #noMoreBytes(): void {
    // Idle, requests wait while answers are not taken; what is left else is a lone CR.
    if (this.#state === HEAD || (this.#state === IDLE && !(this.#held.length > 0 && this.#wire.full))) this.#shut()
    // The rest of the body may be here and wait for the upstream: `resumeRequest` looks again.
    if (this.#state !== BODY || (this.#held.length > 0 && !this.#takesBody())) return
    this.#options.driver.downstreamClosed(this.#x!, undefined)
    this.#wire.destroy()
  }

  onDrain(): void {
    const now = nowUs()
    this.#deadlines.progress(now)
    const x = this.#x
    if (x !== undefined && !x.finished) this.#options.driver.downstreamDrained(x)
    else if (this.#state === IDLE && this.#held.length > 0) this.resumeRequest()
    else if (this.#state === LINGER) this.deadlineUs = now + LINGER_MS * 1000
  }

  onClose(error: Error | undefined): void {
    const x = this.#x
    if (this.#state !== TUNNEL) this.#state = CLOSED
    this.#options.sweeper.remove(this)
    if (x !== undefined && !x.finished) this.#options.driver.downstreamClosed(x, error)
    this.#onClosed()
  }

  // === the way back ===

  informational(head: ResponseHead): void {
    if (head.status === 100) this.#deadlines.continued(nowUs())
    this.#responses.informational(head)
  }

  respond(x: Exchange, head: ResponseHead): void {
    const drains = this.#options.draining() && !this.outbound
    this.#closeAfter ||= drains || closesBehind(x, head.status)
    this.#closeAfter = this.#responses.begin(head, this.#closeAfter)
  }

  data(buf: Buffer, start: number, end: number): boolean {
    return this.#responses.data(buf, start, end)
  }

  end(trailers: HeaderBlock | undefined): void {
    if (this.#state === BODY && !this.#closeAfter) {
      // Only now is it certain that the rest of the upload will not be read.
      this.#closeAfter = true
      this.#responses.announceClose()
    }
    this.#responses.end(trailers)
  }

  flush(): void {
    this.#responses.flush()
  }

  pauseRequest(): void {
    this.#paused = true
    this.#wire.pause()
  }

  resumeRequest(): void {
    this.#paused = false
    if (this.#state === CLOSED || this.#state === TUNNEL || this.#reading) return
    const now = nowUs()
    this.#deadlines.progress(now)
    if (this.#held.length > 0) this.#readHeld(now)
    this.#afterBatch()
    if (this.#peerEnded) this.#noMoreBytes()
  }

  abort(): void {
    this.#state = CLOSED
    this.#wire.reset()
  }

  /** Next request, or the end of the connection. */
  finished(): void {
    const now = this.#x?.timing.finishUs ?? nowUs()
    this.#x = undefined
    if (this.#state === CLOSED || this.#state === TUNNEL) return
    const unread = this.#state === BODY || this.#state === LINGER
    const last = this.#peerEnded && this.#held.length === 0 && !this.#reading
    if (!unread && !this.#head.keepAlive && this.#ending.atOnce()) this.#state = LINGER
    else if (unread || last || this.#closeAfter) this.#shut()
    else {
      this.#becomeIdle(now)
      if (this.#held.length === 0) this.#wire.resume()
      else if (!this.#reading) queueMicrotask(() => this.resumeRequest())
    }
  }

  #becomeIdle(now: number): void {
    this.#state = IDLE
    this.#head.forget() // thousands may be idle, each with one as long as the limit
    this.#emptyLines.reset()
    this.#deadlines.idle(now)
    this.#arm(now)
  }

  #shut(): void {
    this.deadlineUs = this.#ending.begin(nowUs(), this.#state === BODY)
    this.#state = LINGER
    this.#held.clear()
  }

  upgrade(head: ResponseHead, upstream: TunnelEnd, closed: (facts: TunnelFacts) => void): void {
    this.#responses.switchProtocols(head)
    this.#state = TUNNEL
    this.#options.sweeper.remove(this)
    const early = this.#held.takeAll()
    joinUpgraded(this.#head, { wire: this.#wire, early }, upstream, (facts) => {
      this.#onClosed()
      closed(facts)
    })
  }

  // === deadlines ===

  #arm(now: number): void {
    this.deadlineUs = this.#deadlines.next(now, this.#state === HEAD, this.#state === IDLE)
  }

  onDeadline(now: number): void {
    if (this.#state === IDLE || this.#state === LINGER) this.#quietOver(now)
    else if (this.#state !== HEAD) this.#exchangeDue(now)
    else if (this.#deadlines.headOver(now)) this.#refuse(new ProxyError('head_timeout', 'head'))
    else this.#arm(now)
  }

  /** Nothing goes on. */
  #quietOver(now: number): void {
    if (this.#ending.stillTaking(now)) this.deadlineUs = now + LINGER_MS * 1000
    else if (this.#state === LINGER || this.#closeAfter || this.#deadlines.idleOver(now)) this.#wire.destroy()
    else this.#arm(now)
  }

  #exchangeDue(now: number): void {
    const x = this.#x
    if (x === undefined || x.finished) return
    if (this.#peerEnded || this.#wire.socket.isPaused()) this.#wire.checkPeer()
    // Behind an answer a client may stop, or converse: it owes nothing.
    const readingBody = !x.responded && this.#takesBody()
    const code = this.#deadlines.exchangeOver(now, { readingBody }, this.#wire)
    if (code !== undefined) {
      this.#closeAfter = true
      this.#options.driver.downstreamFailed(x, new ProxyError(code, phaseOf(x)))
    } else this.#arm(now)
  }
}
