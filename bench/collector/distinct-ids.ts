/** A set of 8-byte ids in flat memory: ids sent again by a retry must not hide lost ones. Bounded. */
const SLOTS = 1 << 22

/** Open addressing over two words. Past half full it takes no more, and says so. */
export class DistinctIds {
  readonly #high = new Uint32Array(SLOTS)
  readonly #low = new Uint32Array(SLOTS)
  size = 0
  isFull = false

  /** Adds the id at `at`. */
  add(buf: Uint8Array, at: number): void {
    if (this.isFull) return
    const high = word(buf, at)
    const low = word(buf, at + 4)
    let slot = (high ^ Math.imul(low, 0x9e3779b1)) & (SLOTS - 1)
    while (this.#high[slot] !== 0 || this.#low[slot] !== 0) {
      if (this.#high[slot] === high && this.#low[slot] === low) return
      slot = (slot + 1) & (SLOTS - 1)
    }
    this.#high[slot] = high
    this.#low[slot] = low
    this.isFull = ++this.size > SLOTS / 2
  }
}

function word(buf: Uint8Array, at: number): number {
  return ((buf[at]! << 24) | (buf[at + 1]! << 16) | (buf[at + 2]! << 8) | buf[at + 3]!) >>> 0
}
