/** What the heart needs from outside. Byte ranges are `buf[start, end)` and are valid during the call only. */
import type { ConnectionFacts, ProxyError } from '../core/errors.ts'
import type { HeaderBlock } from '../core/headers.ts'
import type { ResponseHead } from '../core/message.ts'
import type { ConnectionInfo, Exchange, Target } from './exchange.ts'

/** The way back to the client; one per exchange's connection, implemented by the server codecs. */
export interface Downstream {
  /** Relay a 1xx other than 101. */
  informational(head: ResponseHead): void
  /** The final head. It may be held until {@link flush} or the first data, to leave in one segment with it. */
  respond(x: Exchange, head: ResponseHead): void
  /** False: the client's socket is full; wait for the driver's `downstreamDrained`. */
  data(buf: Buffer, start: number, end: number): boolean
  /** The response is complete: write out all that is held. */
  end(trailers: HeaderBlock | undefined): void
  /** Write out what is held back; called at the end of a batch of upstream events. */
  flush(): void
  pauseRequest(): void
  /** Take request bytes again, the ones kept back first. */
  resumeRequest(): void
  /** A response that cannot be completed any more: break off so that the client cannot take it for whole. */
  abort(): void
  /** The exchange is over and `end` or `abort` was called: the connection may begin the next one. */
  finished(): void
  /** The upstream agreed to leave HTTP: send `head`, join both sides, call `closed` once when the tunnel is over. */
  upgrade(head: ResponseHead, upstream: TunnelEnd, closed: (facts: TunnelFacts) => void): void
}

/** One side of a connection that has left HTTP, with the bytes that were read beyond the head. */
export interface TunnelEnd {
  readonly early: Buffer
  /** The socket holder of `net`; opaque to the heart. */
  readonly wire: unknown
}

/** What went through a tunnel. */
export interface TunnelFacts {
  readonly bytesFromClient: number
  readonly bytesToClient: number
  readonly error: ProxyError | undefined
  readonly webSocket?: WebSocketFacts | undefined
}

/** What was seen of a WebSocket. */
export interface WebSocketFacts {
  readonly client: WebSocketSide
  readonly server: WebSocketSide
}

/** What one side sent. Times in microseconds of the monotonic clock, -1 where there was none. */
export interface WebSocketSide {
  readonly messages: number
  /** Those among the messages. */
  readonly texts: number
  /** Payload of data frames, as on the wire. */
  readonly bytes: number
  readonly fragments: number
  readonly pings: number
  readonly pongs: number
  readonly largest: number
  readonly firstUs: number
  readonly lastUs: number
  /** Status of its Close frame, 1005 for none in it, -1 where there was no Close frame. */
  readonly closeCode: number
  readonly closeUs: number
  readonly closeReasonBytes: number
  /** Why it was not followed to the end, '' where it was. */
  readonly malformed: string
}

/** Makes attempts at an upstream endpoint. */
export interface Upstream {
  /** Never calls back before it returns: look at {@link Attempt.ready}. */
  attempt(x: Exchange, events: AttemptEvents): Attempt
  /** Where attempts of this exchange go, for telemetry. */
  targetOf?(x: Exchange): Target | undefined
  /** The client's connection is gone: connections kept for it alone go too. */
  clientGone(connection: ConnectionInfo): void
}

/** One try of an exchange at one endpoint. */
export interface Attempt {
  readonly exchange: Exchange
  /** The connection stands: `begin` may be called. `onAttemptReady` says when it comes later. */
  readonly ready: boolean
  /** Bytes of the request that the kernel took. */
  readonly bytesSent: number
  readonly reused: boolean
  /** What is known of its connection; undefined while it has none. */
  readonly facts: ConnectionFacts | undefined
  /** The server may say that it did not look at the request (HTTP/2): small bodies are kept for that. */
  readonly refusable?: boolean
  /** It failed for a protocol that the server has given up: another attempt goes by the one that it has now. */
  readonly outdated?: boolean
  /** Write the request head; it may be held until `flush` or the first data. */
  begin(): void
  /** False: the upstream's socket is full; wait for `onAttemptDrain`. */
  data(buf: Buffer, start: number, end: number): boolean
  end(trailers: HeaderBlock | undefined): void
  /** Write out what is held back; called at the end of a batch of client events. */
  flush(): void
  pauseResponse(): void
  resumeResponse(): void
  /** Give up: nothing of this attempt is reported any more and its connection is not used again. */
  cancel(): void
}

/** What an attempt reports. After `onAttemptEnd`, `onAttemptUpgrade` or `onAttemptError` it reports nothing more. */
export interface AttemptEvents {
  onAttemptReady(attempt: Attempt): void
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
