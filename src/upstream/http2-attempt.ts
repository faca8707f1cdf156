/** One try of an exchange at an HTTP/2 upstream: waits for a connection with room, then speaks on a stream of it. */
import { nowUs } from '../core/clock.ts'
import { type ConnectionFacts, ProxyError } from '../core/errors.ts'
import type { HeaderBlock } from '../core/headers.ts'
import type { ResponseHead } from '../core/message.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { Attempt, AttemptEvents } from '../exchange/ports.ts'
import * as h2 from '../http/message/http2/frames.ts'
import { acceptOf } from '../http/message/websocket.ts'
import type { DialTimes } from './dial.ts'
import type { Http2Connection } from './http2-connection.ts'
import type { Http2UpstreamStream } from './http2-stream.ts'

const NOTHING = Buffer.alloc(0)

export class Http2Attempt implements Attempt {
  readonly exchange: Exchange
  readonly events: AttemptEvents
  #connection: Http2Connection | undefined
  #stream: Http2UpstreamStream | undefined
  ready = false
  reused = false
  /** The server has not said how many streams it takes: it may refuse this one. */
  refusable = false
  outdated = false
  #begun = false
  /** Ends the wait for a connection. */
  onCancel: (() => void) | undefined
  constructor(exchange: Exchange, events: AttemptEvents) {
    this.exchange = exchange
    this.events = events
  }

  /** Body bytes that left, and one for the head: whoever asks wants to know whether anything did. */
  get bytesSent(): number {
    return this.#begun ? 1 + (this.#stream?.bytesSent ?? 0) : 0
  }

  get facts(): ConnectionFacts | undefined {
    const connection = this.#connection
    if (connection === undefined) return undefined
    return { reused: this.reused, ageUs: nowUs() - connection.openedUs, bytesSent: this.bytesSent }
  }

  /** The request asks to leave HTTP. */
  get upgrades(): boolean {
    return this.exchange.request.upgrade !== ''
  }

  /** Take a place on a connection. `dial` brings the times of one that was made for this attempt. */
  use(connection: Http2Connection, dial: DialTimes | undefined): void {
    const { timing } = this.exchange
    this.#connection = connection
    this.reused = connection.uses > 0
    this.refusable = !connection.knowsPeer
    connection.reserve()
    this.exchange.upstreamReused = this.reused
    this.exchange.upstreamPeer = connection.peer
    this.exchange.upstreamFd = connection.fd
    this.exchange.upstreamTls = connection.tls
    if (dial !== undefined) {
      timing.dnsUs = dial.dnsUs
      timing.connectUs = dial.connectUs
      timing.tlsUs = dial.tlsUs
    }
    this.ready = true
    timing.sendUs = nowUs()
  }

  begin(): void {
    const connection = this.#connection
    if (connection === undefined) return
    const { closed } = connection
    if (this.upgrades && !closed && !connection.knowsPeer) connection.whenPeerKnown(() => this.begin())
    else if (this.upgrades && !closed && !connection.takesWebSockets)
      this.fail(new ProxyError('upgrade_unsupported', 'send'))
    else {
      this.#begun = true
      this.#stream = connection.open(this)
      if (this.upgrades) connection.flush()
    }
  }

  data(buf: Buffer, start: number, end: number): boolean {
    return this.#stream?.sendData(buf, start, end) ?? true
  }

  end(trailers: HeaderBlock | undefined): void {
    // A tunnel is over when it is closed, not when its request is.
    if (!this.upgrades) this.#stream?.sendEnd(trailers)
  }

  flush(): void {
    this.#connection?.flush()
  }

  pauseResponse(): void {
    this.#stream?.pause()
  }

  resumeResponse(): void {
    this.#stream?.resume()
    this.flush()
  }

  cancel(): void {
    const connection = this.#connection
    const stream = this.#stream
    this.over()
    this.onCancel?.()
    this.onCancel = undefined
    if (connection === undefined) return
    if (stream !== undefined) {
      stream.session.resetStream(stream, h2.CANCEL, false)
      connection.flush()
    } else connection.release()
  }

  /** Nothing more is reported. */
  over(): void {
    this.ready = false
    this.#connection = undefined
    this.#stream = undefined
  }

  /** The upstream agreed to the upgrade: to the client it is what HTTP/1.1 calls a 101 (RFC 8441 §5). */
  leaveHttp(head: ResponseHead, stream: Http2UpstreamStream): void {
    const key = this.exchange.request.headers.get('sec-websocket-key') ?? ''
    head.status = 101
    head.reason = 'Switching Protocols'
    head.headers.appendOwn('Upgrade', this.exchange.request.upgrade)
    head.headers.appendOwn('Sec-WebSocket-Accept', acceptOf(key))
    const channel = stream.openChannel()
    channel.pause()
    this.events.onAttemptUpgrade(this, head, { early: NOTHING, wire: channel })
    // Only now: a stage may have said no, and then the stream is to be cancelled.
    this.over()
  }

  fail(error: ProxyError): void {
    const { facts } = this
    const connection = this.#connection
    if (connection !== undefined && this.#stream === undefined) connection.release()
    this.over()
    this.events.onAttemptError(this, error.on(facts))
  }
}
