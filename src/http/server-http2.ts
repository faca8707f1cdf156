/**
 * The client's side of HTTP/2: one connection, many streams. Requests of one read are started when all of it was looked
 * at, so that one that is reset in the same breath never reaches an upstream (CVE-2023-44487).
 */
import { nowUs } from '../core/clock.ts'
import { ProxyError } from '../core/errors.ts'
import type { HeaderBlock } from '../core/headers.ts'
import type { Deadlined } from '../core/timers.ts'
import { type ConnectionInfo, Exchange } from '../exchange/exchange.ts'
import type { Wire } from '../net/wire.ts'
import { Http2ServerStream } from './http2-server-stream.ts'
import * as h2 from './message/http2/frames.ts'
import { HPACK_FAULT, HPACK_TOO_LARGE } from './message/http2/hpack-decoder.ts'
import { finishRequestHead, giveRequestHead, takeRequestHead } from './message/http2/request-head.ts'
import { Http2Session } from './message/http2/session.ts'
import type { Http2Role } from './message/http2/session-role.ts'
import type { Http2Stream } from './message/http2/stream.ts'
import { DownstreamDeadlines, exchangeLookUs } from './server-deadlines.ts'
import type { ServerOptions } from './server-options.ts'

/** Settings of HTTP/2 on the client's side. */
export interface Http2ServerOptions extends ServerOptions {
  readonly http2: {
    /** Streams that a client may have open at once. */
    readonly maxStreams: number
    readonly streamWindowBytes: number
    /** A connection without streams, milliseconds. */
    readonly idleMs: number
    /** Silence after which a connection with streams is asked for a sign of life, milliseconds; 0: never. */
    readonly pingMs: number
  }
}

/** How long a client may take to read that no more requests are wanted; until then they are served. */
const NOTICE_US = 1_000_000

export class Http2Server implements Http2Role, Deadlined {
  readonly #options: Http2ServerOptions
  readonly #info: ConnectionInfo
  readonly #session: Http2Session
  readonly #onClosed: () => void
  /** Heard of in this batch, or since the client last took all of its answers, and not started. */
  readonly #fresh: Http2ServerStream[] = []
  readonly #openedUs: number
  #idleSinceUs: number
  #pingedUs = -1
  /** When the client was told that the connection ends; -1 while it does not. */
  #noticeUs = -1
  /** Whether the client takes what is written to the connection at all. */
  readonly #reading: DownstreamDeadlines
  deadlineUs: number

  constructor(wire: Wire, info: ConnectionInfo, options: Http2ServerOptions, onClosed: () => void) {
    this.#options = options
    this.#info = info
    this.#onClosed = onClosed
    this.#openedUs = this.#idleSinceUs = nowUs()
    this.#reading = new DownstreamDeadlines(options.timeouts)
    this.#session = new Http2Session(
      wire,
      this,
      {
        headBytes: options.limits.headBytes,
        headFields: options.limits.headFields,
        maxStreams: options.http2.maxStreams,
        streamWindowBytes: options.http2.streamWindowBytes,
      },
      false,
    )
    this.deadlineUs = this.#openedUs + exchangeLookUs(options.timeouts)
    options.sweeper.add(this)
  }

  /** Bytes that were read before the session was there; none: our settings go out all the same. */
  onBytes(buf: Buffer, start: number, end: number): void {
    this.#session.onBytes(buf, start, end)
  }

  onEnd(): void {
    this.#session.onEnd()
  }

  get idle(): boolean {
    return this.#session.streams.size === 0
  }

  /** The client is the app beside us. */
  get outbound(): boolean {
    return this.#info.direction === 'outbound'
  }

  /**
   * The connection closes behind its last stream. Requests that are on their way when the client reads of it are still
   * served: it answers a PING, and only what it opens after that is refused (RFC 9113 §6.8). Outbound calls go on as ever.
   */
  drain(): void {
    if (this.outbound || this.#noticeUs !== -1) return
    this.#noticeUs = nowUs()
    this.#session.announceGoAway()
    this.deadlineUs = Math.min(this.deadlineUs, this.#noticeUs + NOTICE_US)
  }

  /** The client knows. */
  #noMoreRequests(): void {
    this.#session.goAway(h2.NO_ERROR)
    if (this.idle) this.#session.finish()
  }

  destroy(): void {
    const { streams, output, wire } = this.#session
    for (const stream of [...streams.values()]) this.#options.driver.cutOff((stream as Http2ServerStream).x)
    output.flush()
    wire.destroy()
  }

  // === requests ===

  onHeaderBlock(
    id: number,
    stream: Http2Stream | undefined,
    endStream: boolean,
    buf: Buffer,
    start: number,
    end: number,
  ): number {
    if (stream !== undefined) return this.#trailers(stream, endStream, buf, start, end)
    const session = this.#session
    if ((id & 1) === 0) return h2.PROTOCOL_ERROR
    if (id <= session.lastStreamId) return this.#onClosedStream(id, buf, start, end)
    session.lastStreamId = id
    const head = takeRequestHead()
    session.section.begin('request', head.headers)
    const result = session.decode(buf, start, end)
    if (result === HPACK_FAULT) return h2.COMPRESSION_ERROR
    if (result === HPACK_TOO_LARGE && !session.guard.oversized()) return h2.ENHANCE_YOUR_CALM
    if (!this.#mayOpen()) {
      giveRequestHead(head)
      return session.turnAway(id)
    }
    const now = session.lastReadUs
    const made = new Http2ServerStream(id, session, head, this.#options.driver, this.#options.timeouts)
    const x = new Exchange(this.#info, head, made)
    made.x = x
    x.timing.firstByteUs = x.timing.startUs = now
    made.deadlines.exchange(now)
    this.#info.exchanges++
    session.add(made)
    session.touched.push(made)
    if (endStream) {
      x.requestEnded = true
      made.receivedEnd = true
    }
    let error = finishRequestHead(session.section, head, endStream, this.#options.limits.requestLineBytes)
    if (result === HPACK_TOO_LARGE) {
      error = new ProxyError('head_too_large', 'head', 'the header list is over the limit')
    }
    if (error === undefined && head.method === 'CONNECT' && head.upgrade === '') {
      error = new ProxyError('connect_refused', 'head')
    }
    if (head.upgrade !== '') x.requestEnded = true
    if (!x.requestEnded) made.deadlines.body(now, head.expectContinue)
    if (error === undefined) this.#fresh.push(made)
    else this.#refuse(made, error, result === HPACK_TOO_LARGE)
    return 0
  }

  /** One more stream is within the bounds. */
  #mayOpen(): boolean {
    const { streams, goingAway } = this.#session
    return streams.size < this.#options.http2.maxStreams && !goingAway
  }

  /** Malformed: answered, traced, and reset as RFC 9113 §8.1.1 wants it. A client that takes no answers gets the reset alone. */
  #refuse(stream: Http2ServerStream, error: ProxyError, answerOnly: boolean): void {
    if (this.#session.wire.full) {
      this.#session.resetStream(stream, h2.REFUSED_STREAM, true)
      return
    }
    stream.started = true
    stream.malformed = !answerOnly && error.status !== 405 && error.status !== 417
    this.#options.driver.refuse(stream.x, error)
  }

  #trailers(stream: Http2Stream, endStream: boolean, buf: Buffer, start: number, end: number): number {
    const session = this.#session
    const block = session.trailerBlock()
    session.section.begin('trailers', block)
    const result = session.decode(buf, start, end)
    if (result === HPACK_FAULT) return h2.COMPRESSION_ERROR
    if (stream.receivedEnd) {
      session.resetStream(stream, h2.STREAM_CLOSED, true)
      stream.wasReset(h2.STREAM_CLOSED, undefined)
      return 0
    }
    const { fault } = session.section
    if (!endStream || fault !== '' || result === HPACK_TOO_LARGE || hasFraming(block)) {
      const server = stream as Http2ServerStream
      server.malformed = true
      server.fail(new ProxyError('bad_trailer', 'send', fault === '' ? 'they do not end the stream' : fault))
      if (!server.closed) session.resetStream(server, h2.PROTOCOL_ERROR, true)
      return 0
    }
    session.endReceived(stream, block.count > 0 ? block : undefined)
    return 0
  }

  /** HEADERS on a stream that is over: the table of HPACK must be kept in step all the same. */
  #onClosedStream(id: number, buf: Buffer, start: number, end: number): number {
    const session = this.#session
    session.section.begin('trailers', session.trailerBlock())
    if (session.decode(buf, start, end) === HPACK_FAULT) return h2.COMPRESSION_ERROR
    if (session.recentlyReset.has(id)) return session.guard.control() ? 0 : h2.ENHANCE_YOUR_CALM
    return h2.STREAM_CLOSED
  }

  onBatchEnd(): void {
    const { closed, wire } = this.#session
    // A client that does not take its answers gets no more of them made: its requests wait, as they do on HTTP/1.
    if (closed || !wire.full) {
      this.#start(this.#fresh)
      this.#fresh.length = 0
    }
    if (closed) return
    for (const stream of this.#session.touched) (stream as Http2ServerStream).flushRequest()
    if (this.deadlineUs === Number.POSITIVE_INFINITY) this.deadlineUs = nowUs() + exchangeLookUs(this.#options.timeouts)
  }

  #start(streams: readonly Http2ServerStream[]): void {
    const { closed } = this.#session
    for (const stream of streams) if (!stream.started && !stream.closed && !closed) stream.start()
  }

  onDrain(): void {
    if (this.#fresh.length === 0) return
    const waited = this.#fresh.splice(0)
    this.#start(waited)
    for (const stream of waited) stream.flushRequest()
  }

  // === the connection ===

  onGoaway(): void {
    if (this.idle) this.#session.finish()
  }

  onStreamClosed(): void {
    if (this.#session.streams.size > 0 || this.#session.closed) return
    this.#idleSinceUs = nowUs()
    if (this.#session.goingAway) this.#session.finish()
  }

  onPeerSettings(): void {}

  onPingAck(): void {
    this.#pingedUs = -1
    if (this.#noticeUs !== -1) this.#noMoreRequests()
  }

  onSessionClosed(): void {
    this.#options.sweeper.remove(this)
    this.#onClosed()
  }

  onDeadline(now: number): void {
    const session = this.#session
    this.deadlineUs = now + exchangeLookUs(this.#options.timeouts)
    // What a client owes may take as long as a head: the acknowledgement of settings, the end of a block, a ping's answer.
    const owedUs = this.#options.timeouts.headMs * 1000
    if (!session.settingsAcked && now - this.#openedUs > owedUs) {
      session.fail(h2.SETTINGS_TIMEOUT, 'the settings were not acknowledged in time')
      return
    }
    if (session.partialSinceUs !== -1 && now - session.partialSinceUs > owedUs) {
      session.fail(h2.ENHANCE_YOUR_CALM, 'a header block was not complete in time')
      return
    }
    if (this.#noticeUs !== -1 && now - this.#noticeUs >= NOTICE_US) this.#noMoreRequests()
    if (session.closed) return
    for (const stream of [...session.streams.values()]) (stream as Http2ServerStream).overdue(now)
    if (this.#reading.readerStuck(now, session.wire.queuedBytes, session.wire.takenMark)) {
      session.wire.destroy()
      return
    }
    if (this.idle) {
      if (now - this.#idleSinceUs >= this.#options.http2.idleMs * 1000) session.finish()
      return
    }
    this.#askForLife(now, owedUs)
    session.output.flush()
  }

  /** A peer that is gone without a word is found by a ping that stays unanswered. */
  #askForLife(now: number, owedUs: number): void {
    const { pingMs } = this.#options.http2
    const session = this.#session
    if (pingMs === 0 || session.closed) return
    // Anything that came after the ping is as good as its answer.
    if (session.lastReadUs >= this.#pingedUs) this.#pingedUs = -1
    if (this.#pingedUs === -1) {
      if (now - session.lastReadUs < pingMs * 1000) return
      this.#pingedUs = now
      session.ping()
    } else if (now - this.#pingedUs > owedUs) session.wire.destroy()
  }
}

/** A second length for the same body is an attack. */
function hasFraming(block: HeaderBlock): boolean {
  return block.get('content-length') !== undefined
}
