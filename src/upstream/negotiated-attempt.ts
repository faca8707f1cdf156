/**
 * An attempt at an upstream whose protocol is not known yet: it waits for the handshake that settles it (ALPN, RFC 7301),
 * then is a thin cover over an attempt of that protocol. Only the first exchanges with a destination pay for it.
 */
import type { ConnectionFacts, ProxyError } from '../core/errors.ts'
import type { HeaderBlock } from '../core/headers.ts'
import type { ResponseHead } from '../core/message.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { Attempt, AttemptEvents, TunnelEnd, Upstream } from '../exchange/ports.ts'
import type { DialTimes } from './dial.ts'

export class NegotiatedAttempt implements Attempt, AttemptEvents {
  readonly exchange: Exchange
  readonly #events: AttemptEvents
  #inner: Attempt | undefined
  /** Ends the wait. */
  onCancel: (() => void) | undefined

  constructor(exchange: Exchange, events: AttemptEvents) {
    this.exchange = exchange
    this.#events = events
  }

  /** The protocol is known: go on by `upstream`. `times` of the handshake, where this exchange waited for all of it. */
  settle(upstream: Upstream, times: DialTimes | undefined): void {
    this.onCancel = undefined
    if (times !== undefined) this.#stamp(times)
    const inner = upstream.attempt(this.exchange, this)
    this.#inner = inner
    if (inner.ready) this.#events.onAttemptReady(this)
  }

  /** The handshake failed. */
  fail(error: ProxyError, times: DialTimes): void {
    this.onCancel = undefined
    this.#stamp(times)
    this.#events.onAttemptError(this, error)
  }

  #stamp(times: DialTimes): void {
    const { timing } = this.exchange
    timing.dnsUs = times.dnsUs
    timing.connectUs = times.connectUs
    timing.tlsUs = times.tlsUs
  }

  // === towards the upstream ===

  get ready(): boolean {
    return this.#inner?.ready ?? false
  }

  get bytesSent(): number {
    return this.#inner?.bytesSent ?? 0
  }

  get reused(): boolean {
    return this.#inner?.reused ?? false
  }

  get facts(): ConnectionFacts | undefined {
    return this.#inner?.facts
  }

  get refusable(): boolean {
    return this.#inner?.refusable ?? false
  }

  get outdated(): boolean {
    return this.#inner?.outdated ?? false
  }

  begin(): void {
    this.#inner?.begin()
  }

  data(buf: Buffer, start: number, end: number): boolean {
    return this.#inner?.data(buf, start, end) ?? true
  }

  end(trailers: HeaderBlock | undefined): void {
    this.#inner?.end(trailers)
  }

  flush(): void {
    this.#inner?.flush()
  }

  pauseResponse(): void {
    this.#inner?.pauseResponse()
  }

  resumeResponse(): void {
    this.#inner?.resumeResponse()
  }

  cancel(): void {
    this.onCancel?.()
    this.onCancel = undefined
    this.#inner?.cancel()
    this.#inner = undefined
  }

  // === from the upstream: the same, under this attempt's name ===

  onAttemptReady(): void {
    this.#events.onAttemptReady(this)
  }

  onAttemptInformational(_inner: Attempt, head: ResponseHead): void {
    this.#events.onAttemptInformational(this, head)
  }

  onAttemptHead(_inner: Attempt, head: ResponseHead): void {
    this.#events.onAttemptHead(this, head)
  }

  onAttemptData(_inner: Attempt, buf: Buffer, start: number, end: number): void {
    this.#events.onAttemptData(this, buf, start, end)
  }

  onAttemptEnd(_inner: Attempt, trailers: HeaderBlock | undefined): void {
    this.#events.onAttemptEnd(this, trailers)
  }

  onAttemptUpgrade(_inner: Attempt, head: ResponseHead, end: TunnelEnd): void {
    this.#events.onAttemptUpgrade(this, head, end)
  }

  onAttemptError(_inner: Attempt, error: ProxyError): void {
    this.#events.onAttemptError(this, error)
  }

  onAttemptDrain(): void {
    this.#events.onAttemptDrain(this)
  }

  onAttemptFlush(): void {
    this.#events.onAttemptFlush(this)
  }
}
