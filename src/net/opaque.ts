/** Two wires joined: bytes go across unread, in both directions, each with its own backpressure and half-close. */
import { nowUs } from '../core/clock.ts'
import type { Wire, WireHandler } from './wire.ts'

/** What went through, for the span of the tunnel. */
export interface TunnelOutcome {
  readonly startUs: number
  readonly endUs: number
  readonly bytesAToB: number
  readonly bytesBToA: number
  /** The socket error that ended it, if any. */
  readonly error: Error | undefined
}

/** Looks at bytes as they pass; true: it has seen enough. */
export type ByteObserver = (buf: Buffer, start: number, end: number) => boolean

/** One direction's receiver: what comes on `from` goes to `to`. */
class Half implements WireHandler {
  readonly from: Wire
  readonly to: Wire
  readonly #closed: (error: Error | undefined) => void
  /** Sees the bytes until it returns true. */
  observe: ByteObserver | undefined
  bytes = 0

  constructor(from: Wire, to: Wire, closed: (error: Error | undefined) => void) {
    this.from = from
    this.to = to
    this.#closed = closed
  }

  onBytes(buf: Buffer, start: number, end: number): void {
    this.bytes += end - start
    if (this.observe?.(buf, start, end) === true) this.observe = undefined
    this.to.writeCopy(buf, start, end)
    if (this.to.full) this.from.pause()
  }

  onEnd(): void {
    this.to.finish()
  }

  onDrain(): void {
    this.to.resume()
  }

  onClose(error: Error | undefined): void {
    if (error !== undefined) this.to.reset()
    else if (!this.to.closed && this.from.ended) this.to.finish()
    else this.to.destroy()
    this.#closed(error)
  }
}

/**
 * Join `a` and `b` until both are closed; `earlyA` are bytes already read from `a`, to go to `b` first, and likewise
 * `earlyB`. No timeouts: a tunnel may be silent for days. TCP keepalive finds dead peers. `done` is called once.
 */
export function joinTunnel(
  a: Wire,
  earlyA: Buffer,
  b: Wire,
  earlyB: Buffer,
  done: (outcome: TunnelOutcome) => void,
  observe: { readonly a?: ByteObserver; readonly b?: ByteObserver } = {},
): void {
  const startUs = nowUs()
  let open = 2
  let firstError: Error | undefined
  const closed = (error: Error | undefined): void => {
    firstError ??= error
    if (--open > 0) return
    done({ startUs, endUs: nowUs(), bytesAToB: fromA.bytes, bytesBToA: fromB.bytes, error: firstError })
  }
  const fromA = new Half(a, b, closed)
  const fromB = new Half(b, a, closed)
  fromA.observe = observe.a
  fromB.observe = observe.b
  for (const half of [fromA, fromB]) {
    half.from.handler = half
    half.from.socket.setKeepAlive(true, 60_000)
  }
  if (earlyA.length > 0) fromA.onBytes(earlyA, 0, earlyA.length)
  if (earlyB.length > 0) fromB.onBytes(earlyB, 0, earlyB.length)
  for (const half of [fromA, fromB]) {
    if (half.from.closed) half.onClose(undefined)
    else if (half.from.ended) half.onEnd()
    else half.from.resume()
  }
}
