/** Bytes that came and cannot be used yet: the start of a head, a pipelined request, a body that must wait. */

const FIRST_CAPACITY = 1024
/** Above, it grows by steps of this size: to twice its size would be memory for nothing, to the byte a copy for each read. */
const STEP = 16 * FIRST_CAPACITY
const NOTHING = Buffer.alloc(0)

/** A small growing buffer. Its owner stops reading when it holds too much. */
export class HeldBytes {
  bytes: Buffer = NOTHING
  length = 0

  /** Add a copy of `buf[start, end)`. */
  keep(buf: Buffer, start: number, end: number): void {
    const size = end - start
    if (this.length + size > this.bytes.length) {
      const grown = Buffer.allocUnsafeSlow(capacityFor(this.length + size))
      this.bytes.copy(grown, 0, 0, this.length)
      this.bytes = grown
    }
    buf.copy(this.bytes, this.length, start, end)
    this.length += size
  }

  /** Forget the first `used` bytes. */
  drop(used: number): void {
    if (used >= this.length) this.clear()
    else if (used > 0) {
      this.bytes.copyWithin(0, used, this.length)
      this.length -= used
    }
  }

  /** A copy of everything, which is forgotten here. */
  takeAll(): Buffer {
    const taken = Buffer.from(this.bytes.subarray(0, this.length))
    this.clear()
    return taken
  }

  /** Forget everything, and give back memory that a rare large head took. */
  clear(): void {
    this.length = 0
    if (this.bytes.length > STEP) this.bytes = NOTHING
  }

  /** Forget everything: nothing more will be kept. */
  release(): void {
    this.length = 0
    this.bytes = NOTHING
  }
}

function capacityFor(size: number): number {
  return size > STEP / 2 ? Math.ceil(size / STEP) * STEP : Math.max(FIRST_CAPACITY, size * 2)
}
