/**
 * The upstream's side of HTTP/1.1: one dialled connection that carries exchanges one after the other. It is used
 * again only if the last request was fully written and its response fully read; a byte, FIN or RST while it is idle
 * destroys it, so that no stray response can reach another client (security: response-queue poisoning).
 */
import { nowUs } from '../core/clock.ts'
import { ProxyError } from '../core/errors.ts'
import type { HeaderBlock } from '../core/headers.ts'
import { plainAddress } from '../core/ip-address.ts'
import { ResponseHead } from '../core/message.ts'
import type { Deadlined } from '../core/timers.ts'
import type { TlsFacts } from '../core/tls-facts.ts'
import type { Endpoint } from '../exchange/exchange.ts'
import { BodyReader, type BodySink } from '../http/message/body-reader.ts'
import { requestHeadText } from '../http/message/heads.ts'
import { HeldBytes } from '../http/message/held-bytes.ts'
import { ResponseReader } from '../http/message/response-reader.ts'
import { FAULT } from '../http/message/section-reader.ts'
import { acceptsUpgrade } from '../http/message/websocket.ts'
import { MessageWriter } from '../http/message/writer.ts'
import type { Wire, WireHandler } from '../net/wire.ts'
import { brokenOff, MAX_INFORMATIONAL } from './broken-connection.ts'
import type { Http1Attempt } from './http1-attempt.ts'
import type { Http1ConnectionOptions } from './http1-connection-options.ts'
import { KeepAlive } from './keep-alive.ts'
import { ResponseDeadlines } from './response-deadlines.ts'

const IDLE = 0
/** A request is going out or its response head is awaited. */
const HEAD = 1
const BODY = 2
const CLOSED = 3

/** One connection to an upstream. */
export class Http1Connection implements WireHandler, BodySink, Deadlined {
  readonly #wire: Wire
  readonly #options: Http1ConnectionOptions
  readonly #reader: ResponseReader
  readonly #body: BodyReader
  readonly #writer: MessageWriter
  readonly #held = new HeldBytes()
  readonly #deadlines: ResponseDeadlines
  readonly #keepAlive: KeepAlive
  readonly peer: Endpoint
  readonly fd: number
  readonly tls: TlsFacts | undefined
  readonly openedUs: number
  #head = new ResponseHead()
  #attempt: Http1Attempt | undefined
  #state = IDLE
  #freshHead = true
  #informational = 0
  #retired = false
  #sentBefore = 0
  /** The request head was written: from here on, bytes may be an answer. */
  #begun = false
  /** The request was handed over to its last byte. */
  #requestDone = false
  #trailers: HeaderBlock | undefined
  #responseDone = false
  #progressUs = 0
  #headStartUs = -1
  /** Exchanges begun on it. */
  uses = 0
  /** The client connection whose exchange was the last one, -1 for none. */
  lastClient = -1
  deadlineUs: number

  constructor(wire: Wire, openedUs: number, options: Http1ConnectionOptions) {
    this.#wire = wire
    this.#options = options
    this.#reader = new ResponseReader(options.limits)
    this.#body = new BodyReader(options.limits, this)
    this.#writer = new MessageWriter(wire)
    this.#deadlines = new ResponseDeadlines(options.timeouts)
    this.peer = { address: plainAddress(wire.socket.remoteAddress), port: wire.socket.remotePort ?? 0 }
    this.fd = wire.fd
    this.tls = wire.tls
    this.openedUs = openedUs
    this.#keepAlive = new KeepAlive(options.idleMs, openedUs)
    this.deadlineUs = this.#keepAlive.endsUs
    wire.handler = this
    options.sweeper.add(this)
  }

  /** Free, alive, and not about to be closed by the server. */
  usable(now: number): boolean {
    return this.#state === IDLE && !this.#wire.socket.destroyed && !this.#wire.ended && now < this.#keepAlive.endsUs
  }

  /** No exchange is on it. */
  get idle(): boolean {
    return this.#state === IDLE
  }

  /** Monotonic microseconds. */
  get idleSinceUs(): number {
    return this.#keepAlive.idleSinceUs
  }

  get bytesSent(): number {
    return this.#wire.bytesWritten - this.#sentBefore - this.#wire.pendingBytes
  }

  // === the request ===

  /** Reserve the connection for an attempt. */
  assign(attempt: Http1Attempt): void {
    this.#attempt = attempt
    this.#state = HEAD
    this.#freshHead = true
    this.#informational = 0
    this.#begun = false
    this.#requestDone = false
    this.#responseDone = false
    this.#headStartUs = -1
    this.#sentBefore = this.#wire.bytesWritten
    this.deadlineUs = Number.POSITIVE_INFINITY
    this.uses++
    this.lastClient = attempt.exchange.connection.id
  }

  begin(): void {
    this.#begun = true
    const { exchange } = this.#attempt!
    const { request } = exchange
    this.#writer.begin(requestHeadText(request, this.#options.hostFallback), request.bodyLength)
  }

  data(buf: Buffer, start: number, end: number): boolean {
    return this.#writer.data(buf, start, end)
  }

  end(trailers: HeaderBlock | undefined): void {
    this.#requestDone = true
    this.#trailers = trailers
    // Held until `flush`, which comes at the end of the batch: head and body in one segment.
  }

  flush(): void {
    if (this.#requestDone) this.#writer.end(this.#trailers)
    else this.#writer.flush()
    this.#trailers = undefined
    if (this.#requestDone && this.#attempt !== undefined) this.#sent()
    if (this.#wire.pendingBytes > 0 && this.deadlineUs === Number.POSITIVE_INFINITY) this.#arm(nowUs())
  }

  #sent(): void {
    const { timing } = this.#attempt!.exchange
    if (timing.sentUs >= 0 || this.#wire.pendingBytes > 0) return
    timing.sentUs = nowUs()
    this.#arm(timing.sentUs)
  }

  pauseResponse(): void {
    this.#wire.pause()
  }

  resumeResponse(): void {
    this.#progressUs = nowUs()
    this.#wire.resume()
  }

  /** The attempt was given up. */
  abandon(): void {
    this.#attempt = undefined
    this.#state = CLOSED
    this.#wire.destroy()
  }

  destroy(): void {
    this.#wire.destroy()
  }

  /** Close, at the latest when the exchange on it is over: it may have outlived its client. */
  retire(): void {
    this.#retired = true
    if (this.#attempt === undefined) this.destroy()
  }

  onDrain(): void {
    if (this.#attempt === undefined) return
    if (this.#requestDone) this.#sent()
    else this.#attempt.events.onAttemptDrain(this.#attempt)
  }

  // === the response ===

  onBytes(buf: Buffer, start: number, end: number): void {
    if (this.#state === IDLE || this.#state === CLOSED) {
      this.destroy()
      return
    }
    if (!this.#begun) {
      this.#broken(new Error('bytes before the request'))
      this.destroy()
      return
    }
    this.#progressUs = nowUs()
    if (this.#requestDone) this.#sent()
    if (this.deadlineUs === Number.POSITIVE_INFINITY) this.#arm(this.#progressUs)
    const attempt = this.#attempt
    if (this.#held.length === 0) {
      const used = this.#read(buf, start, end)
      if (used < end) this.#held.keep(buf, used, end)
    } else {
      this.#held.keep(buf, start, end)
      this.#held.drop(this.#read(this.#held.bytes, 0, this.#held.length))
    }
    if (attempt !== undefined && this.#attempt === attempt) attempt.events.onAttemptFlush(attempt)
  }

  #read(buf: Buffer, start: number, end: number): number {
    let at = start
    while (at < end) {
      const before = at
      if (this.#state === HEAD) at = this.#readHead(buf, at, end)
      else if (this.#state === BODY) at = this.#readBody(buf, at, end)
      else return end
      if (this.#responseDone) {
        this.#complete(at < end)
        return end
      }
      if (at === before) break
    }
    return at
  }

  #readHead(buf: Buffer, at: number, end: number): number {
    const { exchange } = this.#attempt!
    if (this.#freshHead) this.#headStartUs = this.#progressUs
    const length = this.#reader.read(buf, at, end, this.#head, exchange.request.method, this.#freshHead)
    this.#freshHead = false
    if (length === FAULT) {
      this.#fail(this.#reader.error!)
      return end
    }
    if (length === 0) return at
    this.#freshHead = true
    return this.#headDone(buf, at + length, end)
  }

  #headDone(buf: Buffer, at: number, end: number): number {
    const attempt = this.#attempt!
    const head = this.#head
    const connected = attempt.exchange.request.method === 'CONNECT' && head.status >= 200 && head.status < 300
    if (head.status === 101 || connected) return this.#switchProtocols(buf, at, end, connected)
    if (head.status < 200) return this.#relayInformational(at, end)
    attempt.exchange.timing.responseUs = this.#headStartUs
    this.#state = BODY
    this.#body.begin(head.bodyLength)
    attempt.events.onAttemptHead(attempt, head)
    if (this.#attempt === attempt && !this.#body.active) this.#responseDone = true
    return at
  }

  #relayInformational(at: number, end: number): number {
    const attempt = this.#attempt!
    if (++this.#informational > MAX_INFORMATIONAL) {
      this.#fail(new ProxyError('too_many_informational', 'wait'))
      return end
    }
    attempt.events.onAttemptInformational(attempt, this.#head)
    return at
  }

  #readBody(buf: Buffer, at: number, end: number): number {
    const used = this.#body.read(buf, at, end)
    if (used !== FAULT) return used
    this.#fail(new ProxyError('bad_response', 'receive', this.#body.detail))
    return end
  }

  onBody(buf: Buffer, start: number, end: number): void {
    const attempt = this.#attempt
    if (attempt !== undefined) attempt.events.onAttemptData(attempt, buf, start, end)
  }

  onBodyEnd(trailers: HeaderBlock | undefined): void {
    this.#responseDone = true
    this.#trailers = trailers
  }

  /** Only a 101 that agrees with what was asked for turns the exchange into a tunnel (RFC 9110 §15.2.2, RFC 6455 §4.1). */
  #switchProtocols(buf: Buffer, at: number, end: number, connected: boolean): number {
    const attempt = this.#attempt!
    if (!connected && !acceptsUpgrade(attempt.exchange.request, this.#head, this.#reader.connectionUpgrade)) {
      this.#fail(new ProxyError('bad_response', 'wait', 'a 101 that was not asked for or does not fit'))
      return end
    }
    attempt.exchange.timing.responseUs = this.#headStartUs
    const early = Buffer.from(buf.subarray(at, end))
    this.#attempt = undefined
    this.#state = CLOSED
    this.#options.sweeper.remove(this)
    this.#options.onClosed(this)
    attempt.events.onAttemptUpgrade(attempt, this.#head, { early, wire: this.#wire })
    return end
  }

  /** The response is complete. `extra`: bytes came behind it, which nobody asked for. */
  #complete(extra: boolean): void {
    const attempt = this.#attempt
    // A stage gave the exchange up on the last piece of its body.
    if (attempt === undefined) return
    const head = this.#head
    this.#attempt = undefined
    attempt.exchange.timing.receivedUs = this.#progressUs
    const wanted = head.keepAlive && !this.#wire.ended && !this.#retired
    const clean = this.#requestDone && this.#wire.pendingBytes === 0 && !extra && wanted
    if (clean) this.#becomeIdle(head.keepAliveTimeoutMs)
    attempt.connection = undefined
    const trailers = this.#trailers
    this.#trailers = undefined
    attempt.events.onAttemptEnd(attempt, trailers)
    // A stage still waits at the end of the response and will look at its head: leave it that one.
    if (attempt.exchange.finished) head.forget()
    else this.#head = new ResponseHead()
    if (clean) this.#options.onIdle(this)
    else this.#wire.destroy()
  }

  #becomeIdle(statedMs: number): void {
    this.#state = IDLE
    this.#held.clear()
    this.#keepAlive.begin(this.#progressUs, statedMs)
    this.deadlineUs = this.#keepAlive.endsUs
    this.#wire.resume()
  }

  onEnd(): void {
    if (this.#state === IDLE) {
      this.destroy()
      return
    }
    const attempt = this.#attempt
    if (this.#state === BODY && attempt !== undefined && this.#body.close()) {
      this.#complete(false)
      return
    }
    this.#broken(undefined)
    this.destroy()
  }

  onClose(error: Error | undefined): void {
    this.#options.sweeper.remove(this)
    this.#options.onClosed(this)
    this.#broken(error)
    this.#state = CLOSED
  }

  /** FIN, RST or a write error in the middle of an exchange. */
  #broken(cause: Error | undefined): void {
    const x = this.#attempt?.exchange
    if (x !== undefined) this.#fail(brokenOff(x, this.#headStartUs >= 0, this.#wire.ended, cause))
  }

  #fail(error: ProxyError): void {
    const attempt = this.#attempt
    if (attempt === undefined) return
    const { facts } = attempt
    this.#attempt = undefined
    this.#state = CLOSED
    // TCP_INFO of a connection that times out is evidence: it is read before the descriptor goes.
    if (this.#wire.socket.destroyed) attempt.exchange.upstreamFd = -1
    attempt.fail(error.on(facts), this.bytesSent)
    this.destroy()
  }

  // === deadlines ===

  #arm(now: number): void {
    this.deadlineUs = this.#deadlines.next(now)
  }

  onDeadline(now: number): void {
    if (this.#state === IDLE) {
      this.destroy()
      return
    }
    const attempt = this.#attempt
    // A response that we do not read is not late.
    if (attempt === undefined || (this.#state === BODY && this.#wire.socket.isPaused())) {
      this.#arm(now)
      return
    }
    const { sentUs } = attempt.exchange.timing
    const state = this.#state === BODY ? 'body' : !this.#freshHead ? 'head' : sentUs < 0 ? 'sending' : 'response'
    const error = this.#deadlines.overdue(now, attempt.exchange, {
      state,
      sentUs,
      headStartUs: this.#headStartUs,
      progressUs: Math.max(this.#progressUs, this.#deadlines.sendingUs(now, sentUs, this.#wire.takenMark)),
      queuedBytes: this.#wire.queuedBytes,
      takenMark: this.#wire.takenMark,
    })
    if (error === undefined) this.#arm(now)
    else this.#fail(error)
  }
}
