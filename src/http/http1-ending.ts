/**
 * How the connection of an HTTP/1.1 client ends. Closing at once, with bytes of the client unread, would reset the
 * connection and could destroy the answer on its way (RFC 9112 §9.6): send FIN, read on for a moment, then close.
 */
import { nowUs } from '../core/clock.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { Wire } from '../net/wire.ts'
import type { DownstreamDeadlines } from './server-deadlines.ts'

/**
 * How long is read and thrown away once the answer has left: many clients send all of a body before they look for an
 * answer. For as long as an upload goes on it is so long from one piece to the next, and thirty seconds in all, as nginx has
 * it. The bytes have a bound as well, so that none is kept busy while it takes its answer slowly.
 */
export const LINGER_MS = 2000
const UPLOAD_MS = 30_000
const LINGER_BYTES = 64 * 1024 * 1024
/** How long an idle connection stays when the proxy drains. */
export const DRAIN_IDLE_MS = 1000
/** A client that sent FIN is asked this often whether it still waits for its answer (docs/adr/0003). */
const HALF_CLOSED_MS = 5000

/** Whether the connection is of no more use after this exchange, which is about to be answered with `status`. */
export function closesBehind(x: Exchange, status: number): boolean {
  const { method, keepAlive, upgrade } = x.request
  return (
    !keepAlive ||
    // Bytes that the client sent for another protocol must not be read as a request.
    (upgrade !== '' && status !== 101) ||
    method === 'CONNECT' ||
    (x.discardsRequest && !x.requestEnded) ||
    // A key that was used says nothing against the connection.
    (x.error?.source === 'downstream' && !(x.requestEnded && x.idempotency !== undefined))
  )
}

export class Http1Ending {
  readonly #wire: Wire
  readonly #deadlines: DownstreamDeadlines
  #thrownAway = 0
  /** Until then an upload may go on that nobody takes. */
  #uploadUntilUs = -1

  constructor(wire: Wire, deadlines: DownstreamDeadlines) {
    this.#wire = wire
    this.#deadlines = deadlines
  }

  /**
   * The client asked for the end, so that nothing of it is on its way that could reset the connection: close, which sends
   * FIN as well, where the kernel has the whole answer. False: it has not, or TLS wants its own end (RFC 8446 §6.1).
   */
  atOnce(): boolean {
    if (this.#wire.secure || this.#wire.pendingBytes > 0) return false
    this.#wire.destroy()
    return true
  }

  /** FIN behind the last answer. With the client's FIN there too, the socket closes itself when all has left. Gives the deadline. */
  begin(now: number, uploading: boolean): number {
    this.#wire.finish()
    if (!this.#wire.ended) this.#wire.resume()
    if (uploading) this.#uploadUntilUs = now + UPLOAD_MS * 1000
    return now + LINGER_MS * 1000
  }

  /** The client sent FIN and waits: from now on the kernel watches whether it is there. */
  halfClosed(): void {
    this.#wire.watchPeer(HALF_CLOSED_MS)
  }

  /** Gives the deadline, which was `deadlineUs`. */
  throwAway(bytes: number, deadlineUs: number, draining: boolean): number {
    this.#thrownAway += bytes
    if (this.#thrownAway > LINGER_BYTES) this.#wire.destroy()
    return draining ? deadlineUs : Math.max(deadlineUs, Math.min(this.#uploadUntilUs, nowUs() + LINGER_MS * 1000))
  }

  /** The client is still taking what it was answered, which a close would cut off; one that is stuck is reset. */
  stillTaking(now: number): boolean {
    const { queuedBytes } = this.#wire
    if (queuedBytes === 0) return false
    if (this.#deadlines.readerStuck(now, queuedBytes, this.#wire.takenMark)) this.#wire.reset()
    return true
  }
}
