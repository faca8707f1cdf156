/**
 * Streams that we reset a moment ago: the peer may not know yet, and what it still sends on them is no fault of its own,
 * as long as it is no more than it was allowed to send (RFC 9113 §5.1, "closed").
 */

/** So many resets can be on their way at once: above the streams that may be open. */
const REMEMBERED = 1024

export class ClosedStreams {
  readonly #ids = new Set<number>()
  /** DATA that may still come, bytes. */
  #stray = 0

  /** We reset this stream; the peer may have sent `mayCome` bytes of DATA more. */
  add(id: number, mayCome: number): void {
    this.#stray += mayCome
    this.#ids.add(id)
    if (this.#ids.size > REMEMBERED) this.#ids.delete(this.#ids.values().next().value!)
  }

  has(id: number): boolean {
    return this.#ids.has(id)
  }

  /** DATA came. False: more than could be on its way. */
  excuses(bytes: number): boolean {
    if (bytes === 0 || bytes > this.#stray) return false
    this.#stray -= bytes
    return true
  }
}
