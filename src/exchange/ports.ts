/** What the heart needs from outside. Byte ranges are `buf[start, end)` and are valid during the call only. */
import type { ProxyError } from '../core/errors.ts'
import type { HeaderBlock } from '../core/headers.ts'
import type { ResponseHead } from '../core/message.ts'
import type { Exchange } from './exchange.ts'

/** The way back to the client; one per exchange's connection, implemented by the server codecs. */
export interface Downstream {
  /** Relay a 1xx other than 101. */
  informational(head: ResponseHead): void
  /** The final head. It may be held until {@link flush} or the first data, to leave in one segment with it. */
  respond(x: Exchange, head: ResponseHead): void
  /** False: the client's socket is full; wait for the driver's `downstreamDrained`. */
  data(buf: Buffer, start: number, end: number): boolean
  /** The response is complete. */
  end(trailers: HeaderBlock | undefined): void
  /** Write out what is held back; called at the end of a batch of upstream events. */
  flush(): void
  pauseRequest(): void
  resumeRequest(): void
  /** A response that cannot be completed any more: break off so that the client cannot take it for whole. */
  abort(): void
  /** The upstream answered 101: leave HTTP; the returned end of the tunnel is joined to the upstream's. */
  upgrade(x: Exchange, head: ResponseHead): TunnelEnd
}

/** One side of a connection that has left HTTP, with the bytes that were read beyond the head. */
export interface TunnelEnd {
  readonly early: Buffer
  /** Implementation-defined socket holder; `net/opaque` joins two of them. */
  readonly wire: unknown
}

/** Makes attempts at an upstream endpoint. */
export interface Upstream {
  attempt(x: Exchange, events: AttemptEvents): Attempt
}

/** One try of an exchange at one endpoint. */
export interface Attempt {
  /** True from the first byte of the request handed to the kernel. */
  readonly bytesSent: number
  readonly reused: boolean
  /** False: the upstream's socket is full; wait for `onAttemptDrain`. */
  data(buf: Buffer, start: number, end: number): boolean
  end(trailers: HeaderBlock | undefined): void
  pauseResponse(): void
  resumeResponse(): void
  /** Give up: nothing of this attempt is reported any more and its connection is not used again. */
  cancel(): void
}

/** What an attempt reports. After `onAttemptEnd` or `onAttemptError` it reports nothing more. */
export interface AttemptEvents {
  onAttemptInformational(attempt: Attempt, head: ResponseHead): void
  onAttemptHead(attempt: Attempt, head: ResponseHead): void
  onAttemptData(attempt: Attempt, buf: Buffer, start: number, end: number): void
  onAttemptEnd(attempt: Attempt, trailers: HeaderBlock | undefined): void
  onAttemptUpgrade(attempt: Attempt, head: ResponseHead, end: TunnelEnd): void
  onAttemptError(attempt: Attempt, error: ProxyError): void
  /** The upstream takes request bytes again. */
  onAttemptDrain(attempt: Attempt): void
  /** End of a batch of events: held-back output should leave now. */
  onAttemptFlush(attempt: Attempt): void
}
