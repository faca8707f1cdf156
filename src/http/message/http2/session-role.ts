/** What one side of an HTTP/2 connection is to its session: the bounds that it sets, and what it is told. */
import type { Http2Stream } from './stream.ts'

/** Bounds of one connection. */
export interface Http2Limits {
  readonly headBytes: number
  readonly headFields: number
  /** Streams that the peer may have open at once. */
  readonly maxStreams: number
  /** What the peer may send on one stream before we took it, bytes. */
  readonly streamWindowBytes: number
}

/** The side that a connection plays. */
export interface Http2Role {
  /** A complete header block; the role decodes it, whatever it makes of it. Returns 0 or the code that ends it all. */
  onHeaderBlock(
    id: number,
    stream: Http2Stream | undefined,
    endStream: boolean,
    buf: Buffer,
    start: number,
    end: number,
  ): number
  /** All of one read was looked at: what is to happen because of it happens now. */
  onBatchEnd(): void
  /** All that was written has left; called before streams that wait for that go on. */
  onDrain(): void
  /** The peer goes away: streams above `lastStreamId` were not looked at. */
  onGoaway(lastStreamId: number, code: number): void
  /** A stream is gone from the table. */
  onStreamClosed(stream: Http2Stream): void
  /** The peer's settings are there, or have changed. */
  onPeerSettings(): void
  onPingAck(): void
  /** Nothing more comes. `code` is what the connection was ended with, by us or the peer; 0 for a clean end. */
  onSessionClosed(code: number, cause: Error | undefined): void
}
