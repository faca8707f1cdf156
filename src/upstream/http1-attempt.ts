/** One try of an exchange at an HTTP/1.1 upstream: waits for a connection, then speaks through it. */
import { nowUs } from '../core/clock.ts'
import type { ConnectionFacts, ProxyError } from '../core/errors.ts'
import type { HeaderBlock } from '../core/headers.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { Attempt, AttemptEvents } from '../exchange/ports.ts'
import type { DialTimes } from './dial.ts'
import type { Http1Connection } from './http1-connection.ts'

export class Http1Attempt implements Attempt {
  readonly exchange: Exchange
  readonly events: AttemptEvents
  connection: Http1Connection | undefined
  ready = false
  reused = false
  outdated = false
  #sentAtFailure = 0
  /** Ends the wait for a connection. */
  onCancel: (() => void) | undefined

  constructor(exchange: Exchange, events: AttemptEvents) {
    this.exchange = exchange
    this.events = events
  }

  get bytesSent(): number {
    return this.connection === undefined ? this.#sentAtFailure : this.connection.bytesSent
  }

  get facts(): ConnectionFacts | undefined {
    const { connection } = this
    if (connection === undefined) return undefined
    const { openedUs, bytesSent } = connection
    return { reused: this.exchange.upstreamReused, ageUs: nowUs() - openedUs, bytesSent }
  }

  /** Take a connection. `dial` brings the times of one that was made for this attempt. */
  use(connection: Http1Connection, dial: DialTimes | undefined): void {
    const { timing } = this.exchange
    this.connection = connection
    // What was not dialled for this attempt may be dead, even if nobody used it before.
    this.reused = dial === undefined
    this.exchange.upstreamReused = connection.uses > 0
    this.exchange.upstreamPeer = connection.peer
    this.exchange.upstreamFd = connection.fd
    this.exchange.upstreamTls = connection.tls
    connection.assign(this)
    connection.lastClient = this.exchange.connection.id
    if (dial !== undefined) {
      timing.dnsUs = dial.dnsUs
      timing.connectUs = dial.connectUs
      timing.tlsUs = dial.tlsUs
    }
  }

  /** The connection may be written to from now on. */
  markReady(now: number): void {
    this.ready = true
    this.exchange.timing.sendUs = now
  }

  begin(): void {
    this.connection?.begin()
  }

  data(buf: Buffer, start: number, end: number): boolean {
    return this.connection?.data(buf, start, end) ?? true
  }

  end(trailers: HeaderBlock | undefined): void {
    this.connection?.end(trailers)
  }

  flush(): void {
    this.connection?.flush()
  }

  pauseResponse(): void {
    this.connection?.pauseResponse()
  }

  resumeResponse(): void {
    this.connection?.resumeResponse()
  }

  cancel(): void {
    this.ready = false
    this.onCancel?.()
    this.onCancel = undefined
    this.connection?.abandon()
    this.connection = undefined
  }

  fail(error: ProxyError, bytesSent: number): void {
    this.ready = false
    this.connection = undefined
    this.#sentAtFailure = bytesSent
    this.events.onAttemptError(this, error)
  }
}
