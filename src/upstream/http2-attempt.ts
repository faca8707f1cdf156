/** One try of an exchange at an HTTP/2 upstream: waits for a connection with room, then speaks on a stream of it. */
import { nowUs } from '../core/clock.ts'
import { ProxyError } from '../core/errors.ts'
import type { HeaderBlock } from '../core/headers.ts'
import type { ResponseHead } from '../core/message.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { Attempt, AttemptEvents } from '../exchange/ports.ts'
import * as h2 from '../http/message/http2/frames.ts'
import type { DialTimes } from './dial.ts'
import type { Http2Connection } from './http2-connection.ts'
import type { Http2UpstreamStream } from './http2-stream.ts'

export class Http2Attempt implements Attempt {
  readonly exchange: Exchange
  readonly events: AttemptEvents
  #connection: Http2Connection | undefined
  #stream: Http2UpstreamStream | undefined
  ready = false
  reused = false
  #begun = false
  /** Ends the wait for a connection. */
  onCancel: (() => void) | undefined
  /** The stream has left HTTP. */
  tunnel: unknown

  constructor(exchange: Exchange, events: AttemptEvents) {
    this.exchange = exchange
    this.events = events
  }

  /** Body bytes that left, and one for the head: whoever asks wants to know whether anything did. */
  get bytesSent(): number {
    return this.#begun ? 1 + (this.#stream?.bytesSent ?? 0) : 0
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
    connection.reserve()
    this.exchange.upstreamReused = this.reused
    this.exchange.upstreamPeer = connection.peer
    this.exchange.upstreamFd = connection.fd
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
    this.#begun = true
    this.#stream = connection.open(this)
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

  respondToUpgrade(_head: ResponseHead, _stream: Http2UpstreamStream): void {
    this.fail(new ProxyError('bad_response', 'wait', 'not yet'))
  }

  fail(error: ProxyError): void {
    const connection = this.#connection
    const { code, phase, detail, errno, cause } = error
    const facts =
      connection === undefined
        ? undefined
        : { reused: this.reused, ageUs: nowUs() - connection.openedUs, bytesSent: this.bytesSent }
    if (connection !== undefined && this.#stream === undefined) connection.release()
    this.over()
    this.events.onAttemptError(
      this,
      new ProxyError(code, phase, detail, { errno, cause, ...(facts === undefined ? {} : { connection: facts }) }),
    )
  }
}
