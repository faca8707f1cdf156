/**
 * One stream: its two flow-control windows and what waits for them. Bytes that may not be sent yet are kept here, and
 * so are bytes that were received and nobody takes yet; both are bounded, by the producer that is told to stop and by
 * the window that is not given back. A stream that stands still stalls no other.
 */
import { HeaderBlock } from '../../../core/headers.ts'
import { ByteQueue } from './byte-queue.ts'
import { errorName } from './frames.ts'
import type { Http2Session } from './session.ts'
import { StreamChannel } from './stream-channel.ts'

/** Most streams never have bytes that wait: they share this one, which stays empty. */
const NONE = new ByteQueue()

export abstract class Http2Stream {
  readonly id: number
  readonly session: Http2Session
  /** What the peer lets us send on this stream; may be negative after a change of its settings (RFC 9113 §6.9.2). */
  sendWindow: number
  /** What the peer may still send. */
  #receiveWindow: number
  /** Taken by the consumer and not given back to the peer yet. */
  #consumed = 0
  #held = NONE
  /** The stream was ended by the peer; told to the consumer when all that is held was taken. */
  #heldEnd = false
  #heldTrailers: HeaderBlock | undefined
  #paused = false
  #delivering = false

  #waiting = NONE
  #endWaits = false
  #trailersWait: HeaderBlock | undefined
  /** The producer was told to stop and waits for {@link drained}. */
  blocked = false
  /** No frame of ours follows. */
  sentEnd = false
  /** The peer ended its side. */
  receivedEnd = false
  /** Reset by either side, or the connection is gone: nothing is sent and nothing reported any more. */
  closed = false
  /** Both sides ended; {@link closed} as well once all was taken. */
  completed = false
  /** The peer broke a rule on it. */
  malformed = false
  readonly openedUs: number
  /** Body bytes that were sent. */
  bytesSent = 0
  /** The stream has left HTTP: its bytes go here. */
  #channel: StreamChannel | undefined

  constructor(id: number, session: Http2Session) {
    this.id = id
    this.session = session
    this.sendWindow = session.peer.initialWindow
    this.#receiveWindow = session.ownStreamWindow
    this.openedUs = session.lastReadUs
  }

  /** Body bytes for the consumer, valid during the call; it may call {@link pause}. */
  protected abstract onBody(buf: Buffer, start: number, end: number): void
  /** The peer's side is complete. */
  protected abstract onBodyEnd(trailers: HeaderBlock | undefined): void
  /** The stream was ended by a reset of the peer or the loss of the connection. */
  protected abstract onReset(code: number, cause: Error | undefined): void
  /** More may be sent. */
  protected abstract onDrained(): void

  // === received ===

  /** Session only. False: the peer sent more than its window. */
  receive(buf: Buffer, start: number, end: number, flowBytes: number): boolean {
    this.#receiveWindow -= flowBytes
    if (this.#receiveWindow < 0) return false
    // Padding is taken at once.
    if (flowBytes > end - start) this.#take(flowBytes - (end - start))
    if (end === start) return true
    if (this.#paused || this.#held.length > 0) this.#hold(buf, start, end)
    else {
      this.#deliver(buf, start, end)
      this.#take(end - start)
    }
    return true
  }

  #deliver(buf: Buffer, start: number, end: number): void {
    if (this.#channel !== undefined) this.#channel.handler.onBytes(buf, start, end)
    else this.onBody(buf, start, end)
  }

  #deliverEnd(trailers: HeaderBlock | undefined): void {
    if (this.#channel !== undefined) this.#channel.handler.onEnd()
    else this.onBodyEnd(trailers)
  }

  #hold(buf: Buffer, start: number, end: number): void {
    if (this.#held === NONE) this.#held = new ByteQueue()
    this.#held.push(buf, start, end)
    this.session.received.hold(end - start)
  }

  /** Session only: END_STREAM came, with trailers or without. */
  receiveEnd(trailers: HeaderBlock | undefined): void {
    this.receivedEnd = true
    if (this.#held.length === 0 && !this.#paused) this.#deliverEnd(trailers)
    else {
      this.#heldEnd = true
      this.#heldTrailers = trailers
    }
  }

  /** Take no more bytes; the window is not given back meanwhile, so that the peer stops too. */
  pause(): void {
    this.#paused = true
  }

  get paused(): boolean {
    return this.#paused
  }

  /** Take bytes again, those kept first. */
  resume(): void {
    this.#paused = false
    if (this.#delivering || this.closed) return
    this.#delivering = true
    while (this.#held.length > 0 && !this.#paused && !this.closed) {
      const piece = this.#held.first
      this.#held.drop(piece.length)
      this.session.received.hold(-piece.length)
      this.#deliver(piece, 0, piece.length)
      this.#take(piece.length)
    }
    this.#delivering = false
    this.session.received.giveBack()
    if (this.#heldEnd && this.#held.length === 0 && !this.#paused && !this.closed) {
      this.#heldEnd = false
      this.#deliverEnd(this.#heldTrailers)
      if (this.completed) this.#over()
    }
  }

  /** Bytes are kept here because nobody takes them. */
  get holds(): boolean {
    return this.#held.length > 0 || this.#heldEnd
  }

  /** What the peer may still send, bytes. */
  get mayReceive(): number {
    return this.receivedEnd ? 0 : Math.max(this.#receiveWindow, 0)
  }

  #take(bytes: number): void {
    this.#consumed += bytes
    // Half a window at a time: few updates, and the peer need not stop for them.
    if (this.#consumed * 2 < this.session.ownStreamWindow || this.receivedEnd || this.closed) return
    this.#receiveWindow += this.#consumed
    this.session.output.windowUpdate(this.id, this.#consumed)
    this.#consumed = 0
  }

  // === sent ===

  /** Send body bytes, copied where they must wait. False: stop until {@link onDrained}. */
  sendData(buf: Buffer, start: number, end: number): boolean {
    if (this.closed || this.sentEnd) return true
    let at = start
    if (this.#waiting.length === 0) at = this.#sendNow(buf, start, end)
    if (at < end) {
      if (this.#waiting === NONE) this.#waiting = new ByteQueue()
      this.#waiting.push(buf, at, end)
    }
    this.blocked = this.#waiting.length > 0 || this.session.congested
    if (this.blocked) this.session.turns.add(this)
    return !this.blocked
  }

  #sendNow(buf: Buffer, start: number, end: number): number {
    const { session } = this
    const { turns } = session
    let at = start
    while (at < end) {
      const size = Math.min(end - at, this.sendWindow, turns.window, session.output.maxFrameBytes)
      if (size <= 0) break
      session.output.data(this.id, buf, at, at + size, false)
      session.guard.sentData()
      this.sendWindow -= size
      turns.window -= size
      this.bytesSent += size
      at += size
    }
    return at
  }

  /** The last frame: after all that waits. Trailers make it HEADERS. */
  sendEnd(trailers: HeaderBlock | undefined): void {
    if (this.closed || this.sentEnd) return
    if (this.#waiting.length > 0) {
      this.#endWaits = true
      // The connection that they came on may read others meanwhile.
      this.#trailersWait = trailers === undefined ? undefined : HeaderBlock.from(trailers.entries())
      return
    }
    this.sentEnd = true
    this.session.sendEnd(this.id, trailers)
    this.session.sideClosed(this)
  }

  /** Session only: a window opened or the socket drained. */
  sendWaiting(): void {
    while (this.#waiting.length > 0) {
      const piece = this.#waiting.first
      const sent = this.#sendNow(piece, 0, piece.length)
      this.#waiting.drop(sent)
      if (sent < piece.length) return
    }
    if (this.#endWaits) {
      this.#endWaits = false
      this.sendEnd(this.#trailersWait)
    }
    if (this.session.congested || this.closed) return
    this.blocked = false
    this.session.turns.remove(this)
    if (this.sentEnd) return
    if (this.#channel !== undefined) this.#channel.handler.onDrain()
    else this.onDrained()
  }

  /** Bytes that wait for a window. */
  get waitingBytes(): number {
    return this.#waiting.length
  }

  /** Session only: the peer reset the stream, or the connection is gone. */
  wasReset(code: number, cause: Error | undefined): void {
    if (this.#channel === undefined) this.onReset(code, cause)
    else this.#channel.handler.onClose(cause ?? new StreamReset(code))
  }

  /** Session only: both sides ended, and the table has let go of the stream. What is kept is still to be taken. */
  complete(): void {
    this.completed = this.sentEnd = true
    this.#waiting.clear()
    if (!this.holds) this.#over()
  }

  #over(): void {
    this.forget()
    this.#channel?.handler.onClose(undefined)
  }

  get isChannel(): boolean {
    return this.#channel !== undefined
  }

  /** Leave HTTP: from now on the stream is a channel of bytes. */
  openChannel(): StreamChannel {
    this.#channel = new StreamChannel(this)
    return this.#channel
  }

  /** Drop what is kept. */
  forget(): void {
    this.closed = true
    this.session.received.hold(-this.#held.length)
    this.#held.clear()
    this.#waiting.clear()
    this.session.received.giveBack()
  }
}

/** Why a stream ended, as the errno of the failure. */
export class StreamReset extends Error {
  readonly code: string

  constructor(code: number) {
    super(`stream reset: ${errorName(code)}`)
    this.code = errorName(code)
  }
}
