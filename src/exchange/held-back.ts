/**
 * The last piece of a response, held back while stages may wait at its end. Mostly the end comes with it, and no stage waits:
 * so the piece is lent by the upstream's read buffer, and copied only where that is about to be used again.
 */
import { copyOf } from '../core/bytes.ts'
import type { Exchange } from './exchange.ts'

const NOTHING: Buffer = Buffer.alloc(0)

/** One for all exchanges: one piece is lent at a time. */
export class HeldBack {
  #lentTo: Exchange | undefined
  #buf = NOTHING
  #start = 0
  #end = 0

  /** Hold `buf[start, end)`, valid until {@link keep}. */
  hold(x: Exchange, buf: Buffer, start: number, end: number): void {
    this.keep()
    this.#lentTo = x
    this.#buf = buf
    this.#start = start
    this.#end = end
  }

  /** Nothing may be lent from here on: what is becomes a copy, in `x.heldBack`. */
  keep(): void {
    const x = this.#lentTo
    if (x === undefined) return
    this.#lentTo = undefined
    if (!x.finished) x.heldBack = copyOf(this.#buf, this.#start, this.#end)
    this.#buf = NOTHING
  }

  /** Let the client have it. */
  release(x: Exchange): void {
    if (this.#lentTo === x) {
      this.#lentTo = undefined
      x.down.data(this.#buf, this.#start, this.#end)
      this.#buf = NOTHING
    } else if (x.heldBack !== undefined) x.down.data(x.heldBack, 0, x.heldBack.length)
  }
}
