/** Whose turn it is to send: the window of the connection (RFC 9113 §5.2), and the streams that wait for a window. */
import { DEFAULT_WINDOW, MAX_31 } from './frames.ts'
import type { Http2Stream } from './stream.ts'

export class SendTurns {
  /** What we may send on the connection. */
  window = DEFAULT_WINDOW
  readonly #waiting = new Set<Http2Stream>()

  add(stream: Http2Stream): void {
    this.#waiting.add(stream)
  }

  remove(stream: Http2Stream): void {
    this.#waiting.delete(stream)
  }

  clear(): void {
    this.#waiting.clear()
  }

  /** The peer opened the window. False: further than a window can be. */
  open(increment: number): boolean {
    this.window += increment
    if (this.window > MAX_31) return false
    this.go()
    return true
  }

  /** Round by round, so that each stream gets its part: who could not send all of its bytes goes to the end. */
  go(): void {
    for (const stream of [...this.#waiting]) {
      if (!this.#waiting.has(stream)) continue
      stream.sendWaiting()
      if (!this.#waiting.has(stream)) continue
      this.#waiting.delete(stream)
      this.#waiting.add(stream)
      if (this.window <= 0 && stream.waitingBytes > 0) return
    }
  }
}
