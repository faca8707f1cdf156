/**
 * Bytes that wait: copied in, taken out in the order in which they came. Small pieces share a block, so that a peer that
 * sends single bytes costs us about as much memory as it sends.
 */

const FIRST_BLOCK = 512
const LARGEST_BLOCK = 16 * 1024
const NOTHING = Buffer.alloc(0)

export class ByteQueue {
  readonly #blocks: Buffer[] = []
  /** Where the first block's bytes begin, and where the last one's end. */
  #from = 0
  #to = 0
  length = 0

  /** Add a copy of `buf[start, end)`. */
  push(buf: Buffer, start: number, end: number): void {
    this.length += end - start
    let at = start
    const last = this.#blocks[this.#blocks.length - 1]
    if (last !== undefined && this.#to < last.length) {
      const take = Math.min(end - at, last.length - this.#to)
      buf.copy(last, this.#to, at, at + take)
      this.#to += take
      at += take
    }
    if (at === end) return
    const usual = last === undefined ? FIRST_BLOCK : Math.min(last.length * 2, LARGEST_BLOCK)
    const block = Buffer.allocUnsafe(Math.max(usual, end - at))
    this.#to = buf.copy(block, 0, at, end)
    this.#blocks.push(block)
  }

  /** The first bytes, as many as lie in one piece; empty where there are none. Valid until they are dropped. */
  get first(): Buffer {
    const block = this.#blocks[0]
    if (block === undefined) return NOTHING
    return block.subarray(this.#from, this.#blocks.length === 1 ? this.#to : block.length)
  }

  /** Forget the first `bytes`, of {@link first} at most. */
  drop(bytes: number): void {
    this.length -= bytes
    this.#from += bytes
    if (this.length === 0) this.clear()
    else if (this.#from === this.#blocks[0]!.length) {
      this.#blocks.shift()
      this.#from = 0
    }
  }

  clear(): void {
    this.#blocks.length = 0
    this.#from = this.#to = this.length = 0
  }
}
