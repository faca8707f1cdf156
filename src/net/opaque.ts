/** Two channels joined: bytes go across unread, in both directions, each with its own backpressure and half-close. */
import { nowUs } from '../core/clock.ts'
import type { ByteChannel, WireHandler } from './wire.ts'

/** What went through, for the span of the tunnel. */
export interface TunnelOutcome {
  readonly startUs: number
  readonly endUs: number
  readonly bytesAToB: number
  readonly bytesBToA: number
  /** The socket error that ended it, if any. */
  readonly error: Error | undefined
  /** Whose it was. */
  readonly errorOf: 'a' | 'b' | undefined
}

/** Looks at bytes that were sent on; true: it has seen enough. */
export type ByteObserver = (buf: Buffer, start: number, end: number) => boolean

/** Observers of the two directions. They change and delay nothing, and what they throw ends them alone. */
export interface TunnelObservers {
  readonly a?: ByteObserver
  readonly b?: ByteObserver
  /** Told what an observer threw. */
  readonly onFault?: (error: unknown) => void
}

/** Silence before a peer is asked for a sign of life; less where it sent FIN, since nothing else would tell of its end. */
const KEEP_ALIVE_MS = 60_000
const HALF_CLOSED_MS = 5000

/** One direction's receiver: what comes on `from` goes to `to`. */
class Half implements WireHandler {
  readonly from: ByteChannel
  readonly to: ByteChannel
  readonly #closed: (error: Error | undefined) => void
  readonly #onFault: ((error: unknown) => void) | undefined
  /** Sees the bytes until it returns true. */
  #observe: ByteObserver | undefined
  bytes = 0
  #halfClosed: NodeJS.Timeout | undefined

  constructor(
    from: ByteChannel,
    to: ByteChannel,
    closed: (error: Error | undefined) => void,
    observe: ByteObserver | undefined,
    onFault: ((error: unknown) => void) | undefined,
  ) {
    this.from = from
    this.to = to
    this.#closed = closed
    this.#observe = observe
    this.#onFault = onFault
  }

  onBytes(buf: Buffer, start: number, end: number): void {
    this.bytes += end - start
    this.to.writeCopy(buf, start, end)
    if (this.to.full) this.from.pause()
    if (this.#observe !== undefined) this.#look(this.#observe, buf, start, end)
  }

  #look(observe: ByteObserver, buf: Buffer, start: number, end: number): void {
    try {
      if (observe(buf, start, end)) this.#observe = undefined
    } catch (error) {
      this.#observe = undefined
      this.#onFault?.(error)
    }
  }

  onEnd(): void {
    this.to.finish()
    if (this.from.closed) return
    this.from.watchPeer(HALF_CLOSED_MS)
    this.#halfClosed = setInterval(() => this.from.checkPeer(), HALF_CLOSED_MS).unref()
  }

  onDrain(): void {
    this.to.resume()
  }

  onClose(error: Error | undefined): void {
    clearInterval(this.#halfClosed)
    if (error !== undefined) this.to.reset()
    else if (!this.to.closed && this.from.ended) this.to.finish()
    else this.to.destroy()
    this.#closed(error)
  }
}

/**
 * Join `a` and `b` until both are closed; `earlyA` are bytes already read from `a`, to go to `b` first, and likewise
 * `earlyB`. No timeouts: a tunnel may be silent for days. TCP keepalive finds dead peers, of those that sent FIN as well
 * (docs/adr/0003). `done` is called once.
 */
export function joinTunnel(
  a: ByteChannel,
  earlyA: Buffer,
  b: ByteChannel,
  earlyB: Buffer,
  done: (outcome: TunnelOutcome) => void,
  observe: TunnelObservers = {},
): void {
  const startUs = nowUs()
  let open = 2
  let firstError: Error | undefined
  let errorOf: 'a' | 'b' | undefined
  const closed = (side: 'a' | 'b', error: Error | undefined): void => {
    if (firstError === undefined && error !== undefined) {
      firstError = error
      errorOf = side
    }
    if (--open > 0) return
    done({ startUs, endUs: nowUs(), bytesAToB: fromA.bytes, bytesBToA: fromB.bytes, error: firstError, errorOf })
  }
  const fromA = new Half(a, b, (error) => closed('a', error), observe.a, observe.onFault)
  const fromB = new Half(b, a, (error) => closed('b', error), observe.b, observe.onFault)
  for (const half of [fromA, fromB]) {
    half.from.handler = half
    half.from.watchPeer(KEEP_ALIVE_MS)
  }
  if (earlyA.length > 0) fromA.onBytes(earlyA, 0, earlyA.length)
  if (earlyB.length > 0) fromB.onBytes(earlyB, 0, earlyB.length)
  for (const half of [fromA, fromB]) {
    if (half.from.closed) half.onClose(undefined)
    else if (half.from.ended) half.onEnd()
    else half.from.resume()
  }
}
