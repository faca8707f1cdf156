/** A stream as a channel of bytes: what a WebSocket is on HTTP/2 (RFC 8441). */
import type { ByteChannel, WireHandler } from '../../../net/wire.ts'
import { CANCEL } from './frames.ts'
import type { Http2Stream } from './stream.ts'

const noHandler: WireHandler = { onBytes: () => {}, onEnd: () => {}, onDrain: () => {}, onClose: () => {} }

export class StreamChannel implements ByteChannel {
  readonly #stream: Http2Stream
  handler: WireHandler = noHandler

  constructor(stream: Http2Stream) {
    this.#stream = stream
  }

  get closed(): boolean {
    return this.#stream.closed
  }

  get ended(): boolean {
    return this.#stream.receivedEnd && !this.#stream.holds
  }

  get full(): boolean {
    return this.#stream.blocked
  }

  writeCopy(buf: Buffer, start: number, end: number): void {
    this.#stream.sendData(buf, start, end)
    this.#stream.session.flushSoon()
  }

  pause(): void {
    this.#stream.pause()
  }

  resume(): void {
    this.#stream.resume()
    this.#stream.session.flushSoon()
  }

  finish(): void {
    this.#stream.sendEnd(undefined)
    this.#stream.session.flushSoon()
  }

  /** A stream has no other end than a reset. */
  destroy(): void {
    this.reset()
  }

  reset(): void {
    const stream = this.#stream
    if (stream.closed) return
    stream.session.resetStream(stream, CANCEL, false)
    stream.session.flushSoon()
    // As a socket does: whoever closes is told afterwards.
    queueMicrotask(() => this.handler.onClose(undefined))
  }

  /** The connection below sees to that. */
  watchPeer(): void {}

  checkPeer(): void {}
}
