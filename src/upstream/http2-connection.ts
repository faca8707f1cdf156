/** One HTTP/2 connection to an upstream, with the streams of many exchanges. */
import { nowUs } from '../core/clock.ts'
import { plainAddress } from '../core/ip-address.ts'
import type { Deadlined, Sweeper } from '../core/timers.ts'
import type { TlsFacts } from '../core/tls-facts.ts'
import type { Endpoint } from '../exchange/exchange.ts'
import * as h2 from '../http/message/http2/frames.ts'
import { HPACK_FAULT } from '../http/message/http2/hpack-decoder.ts'
import { requestBlock } from '../http/message/http2/send-fields.ts'
import { Http2Session } from '../http/message/http2/session.ts'
import type { Http2Limits, Http2Role } from '../http/message/http2/session-role.ts'
import type { Http2Stream } from '../http/message/http2/stream.ts'
import type { Wire } from '../net/wire.ts'
import type { Http2Attempt } from './http2-attempt.ts'
import { Http2UpstreamStream } from './http2-stream.ts'
import { type ResponseTimeouts, responseLookUs } from './response-deadlines.ts'

export interface Http2ConnectionOptions {
  readonly limits: Http2Limits
  readonly timeouts: ResponseTimeouts
  readonly sweeper: Sweeper
  readonly scheme: 'http' | 'https'
  /** Value of :authority for requests that came without one. */
  readonly authorityFallback: string
  /** Without a stream for so long, the connection closes, milliseconds. */
  readonly idleMs: number
  /** Silence after which a connection with streams is asked for a sign of life, milliseconds; 0: never. */
  readonly pingMs: number
  /** Streams that connections to this destination take, where one has said so. */
  readonly knownMost: () => number
  /** The upstream said how many it takes. */
  readonly onLimit: (streams: number) => void
  /** There is room for another stream. */
  readonly onRoom: (connection: Http2Connection) => void
  readonly onClosed: (connection: Http2Connection) => void
}

/** Until any peer's settings are there. RFC 9113 §6.5.2 recommends that nobody allows fewer. */
export const STREAMS_BEFORE_SETTINGS = 100
/** However many the peer allows. */
const STREAMS_AT_MOST = 1000
const LAST_STREAM_ID = h2.MAX_31 - 2

export class Http2Connection implements Http2Role, Deadlined {
  readonly #session: Http2Session
  readonly #options: Http2ConnectionOptions
  readonly peer: Endpoint
  readonly fd: number
  readonly tls: TlsFacts | undefined
  readonly openedUs: number
  /** Places given away and not used yet. */
  #reserved = 0
  #idleSinceUs: number
  #pingedUs = -1
  readonly #whenPeerKnown: (() => void)[] = []
  /** Streams begun on it. */
  uses = 0
  deadlineUs: number

  constructor(wire: Wire, openedUs: number, options: Http2ConnectionOptions) {
    this.#options = options
    this.peer = { address: plainAddress(wire.socket.remoteAddress), port: wire.socket.remotePort ?? 0 }
    this.fd = wire.fd
    this.tls = wire.tls
    this.openedUs = this.#idleSinceUs = openedUs
    this.#session = new Http2Session(wire, this, options.limits, true)
    this.#session.lastStreamId = -1
    this.deadlineUs = openedUs + responseLookUs(options.timeouts)
    options.sweeper.add(this)
    wire.resume()
  }

  /** Whether another stream may be opened. */
  get hasRoom(): boolean {
    const { streams, lastStreamId } = this.#session
    if (this.ending || lastStreamId >= LAST_STREAM_ID) return false
    return streams.size + this.#reserved < this.#most
  }

  get #most(): number {
    const { peer } = this.#session
    return peer.seen ? Math.min(peer.maxStreams, STREAMS_AT_MOST) : this.#options.knownMost()
  }

  /** Nothing is on it, and the peer takes nothing for now. Another connection would be told the same. */
  get shut(): boolean {
    return this.#most === 0 && this.idle && !this.ending
  }

  /** Clients that do not read have shut its window: responses on it stand still, whoever they are for. */
  get stalled(): boolean {
    return this.#session.received.holdsTooMuch
  }

  /** It opens no streams any more: those that it has may take their time. */
  get ending(): boolean {
    const { closed, goingAway, wire } = this.#session
    return closed || goingAway || wire.ended
  }

  get idle(): boolean {
    return this.#session.streams.size === 0 && this.#reserved === 0
  }

  /** The peer's settings are there. */
  get knowsPeer(): boolean {
    return this.#session.peer.seen
  }

  /** Call back when they are, or never will be. */
  whenPeerKnown(then: () => void): void {
    this.#whenPeerKnown.push(then)
  }

  /** The peer takes WebSockets on streams (RFC 8441). */
  get takesWebSockets(): boolean {
    return this.#session.peer.connectProtocol
  }

  reserve(): void {
    this.#reserved++
  }

  release(): void {
    this.#reserved--
    this.#roomOrEnd()
  }

  /** A stream is over, or a place is not used: another may have it, or it was the last one. */
  #roomOrEnd(): void {
    const session = this.#session
    if (session.closed) return
    if (this.idle) {
      this.#idleSinceUs = nowUs()
      if (session.goingAway) session.finish()
    }
    if (this.hasRoom) this.#options.onRoom(this)
  }

  /** The connection is gone. */
  get closed(): boolean {
    return this.#session.closed
  }

  /** Open a stream with the request head of an attempt, in the place it reserved. */
  open(attempt: Http2Attempt): Http2UpstreamStream {
    const session = this.#session
    this.#reserved--
    // It broke, or ends, between the promise of a place and its use.
    const gone = session.closed || session.peerGoingAway || session.lastStreamId >= LAST_STREAM_ID
    const id = gone ? 0 : session.lastStreamId + 2
    const stream = new Http2UpstreamStream(id, session, attempt, this.#options.timeouts)
    if (gone) {
      stream.forget()
      // Told when the driver can take it.
      queueMicrotask(() => {
        stream.wasReset(h2.REFUSED_STREAM, undefined)
        this.#roomOrEnd()
      })
      return stream
    }
    this.uses++
    session.lastStreamId = id
    session.add(stream)
    const { scheme, authorityFallback } = this.#options
    const block = requestBlock(session.encoder, attempt.exchange.request, scheme, authorityFallback)
    session.output.headers(stream.id, block, false)
    return stream
  }

  flush(): void {
    this.#session.flushSoon()
  }

  /** Close when the last stream is over. */
  retire(): void {
    if (this.idle) this.#session.finish()
    else this.#session.goAway(h2.NO_ERROR)
  }

  destroy(): void {
    this.#session.wire.destroy()
  }

  // === what the peer does ===

  onHeaderBlock(
    id: number,
    stream: Http2Stream | undefined,
    endStream: boolean,
    buf: Buffer,
    start: number,
    end: number,
  ): number {
    const session = this.#session
    if (stream !== undefined) {
      session.touched.push(stream)
      return (stream as Http2UpstreamStream).headers(endStream, buf, start, end)
    }
    if (session.isIdle(id)) return h2.PROTOCOL_ERROR
    session.section.begin('trailers', session.trailerBlock())
    if (session.decode(buf, start, end) === HPACK_FAULT) return h2.COMPRESSION_ERROR
    return session.guard.control() ? 0 : h2.ENHANCE_YOUR_CALM
  }

  onBatchEnd(): void {
    for (const stream of this.#session.touched) (stream as Http2UpstreamStream).flushDownstream()
    if (this.deadlineUs === Number.POSITIVE_INFINITY) this.deadlineUs = nowUs() + responseLookUs(this.#options.timeouts)
  }

  onDrain(): void {}

  /** Streams above `lastStreamId` were not looked at, and may be sent elsewhere (RFC 9113 §6.8). */
  onGoaway(lastStreamId: number): void {
    const session = this.#session
    for (const stream of [...session.streams.values()]) {
      if (stream.id > lastStreamId) session.endedByPeer(stream, h2.REFUSED_STREAM)
    }
    if (this.idle) session.finish()
  }

  onStreamClosed(): void {
    this.#roomOrEnd()
  }

  onPeerSettings(): void {
    this.#options.onLimit(this.#session.peer.maxStreams)
    for (const then of this.#whenPeerKnown.splice(0)) then()
    if (this.hasRoom) this.#options.onRoom(this)
  }

  onPingAck(): void {
    this.#pingedUs = -1
  }

  onSessionClosed(): void {
    this.#options.sweeper.remove(this)
    for (const then of this.#whenPeerKnown.splice(0)) then()
    this.#options.onClosed(this)
  }

  onDeadline(now: number): void {
    const session = this.#session
    this.deadlineUs = now + responseLookUs(this.#options.timeouts)
    // What an upstream owes may take as long as a head: its settings, the rest of a frame, and the answer to a ping.
    const owedUs = this.#options.timeouts.upstreamHeadMs * 1000
    if (!session.peer.seen && now - this.openedUs > owedUs) {
      session.fail(h2.SETTINGS_TIMEOUT, 'no settings came in time')
      return
    }
    if (session.partialSinceUs !== -1 && now - session.partialSinceUs > owedUs) {
      session.fail(h2.ENHANCE_YOUR_CALM, 'a frame or header block was not complete in time')
      return
    }
    if (this.idle) {
      if (now - this.#idleSinceUs >= this.#options.idleMs * 1000) session.finish()
      return
    }
    for (const stream of [...session.streams.values()]) (stream as Http2UpstreamStream).overdue(now)
    this.#askForLife(now, owedUs)
    session.output.flush()
  }

  /** A peer that is gone without a word is found by a ping that stays unanswered. */
  #askForLife(now: number, owedUs: number): void {
    const { pingMs } = this.#options
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
