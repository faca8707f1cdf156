/**
 * A lock-free ring of variable-length records in shared memory, from one producer thread to one consumer thread.
 * A full ring refuses the record and never blocks. Positions count words of 8 bytes and wrap at 2^32; only the
 * producer stores the tail, only the consumer the head, each on its own cache line.
 *
 * A record is never split: where it doesn't fit before the end, a filler takes the rest. Its first word is
 * `kind << 24 | words` and the length of the record before it, so that the producer can walk back over what it wrote:
 * everything less than one capacity behind the tail is intact, consumed or not. The flight recorder lives on that.
 */

const TAIL = 0
const HEAD = 16
const HEADER_WORDS = 16
const FILLER = 0

/** Ring memory as the views that records are written and read through; indexes are absolute. */
export interface RingMemory {
  readonly bytes: Buffer
  readonly int32: Int32Array
  readonly float64: Float64Array
  /** Words of the data region, a power of two; it begins at word {@link HEADER_WORDS}. */
  readonly capacity: number
}

/** Ring memory that two threads have. */
export interface SharedRing extends RingMemory {
  readonly shared: SharedArrayBuffer
}

/** Views over ring memory, made here or by the other thread. `bytes` is rounded up to a power of two. */
export function openRing(memory: number | SharedArrayBuffer): SharedRing {
  const shared = typeof memory === 'number' ? new SharedArrayBuffer(ringBytes(memory)) : memory
  return { shared, ...ringOver(shared) }
}

/** What a ring for `bytes` of records takes, rounded up to a power of two, and its header. */
export function ringBytes(bytes: number): number {
  return (2 ** Math.ceil(Math.log2(Math.max(bytes, 4096) / 8)) + HEADER_WORDS) * 8
}

/** Views over memory of the size that {@link ringBytes} says. */
export function ringOver(memory: ArrayBuffer | SharedArrayBuffer): RingMemory {
  return {
    bytes: Buffer.from(memory),
    int32: new Int32Array(memory),
    float64: new Float64Array(memory),
    capacity: memory.byteLength / 8 - HEADER_WORDS,
  }
}

/** The producer's end. `reserve`, fill, `commit`; nothing is visible to the consumer before the commit. */
export class RingWriter {
  readonly memory: RingMemory
  readonly #int32: Int32Array
  readonly #mask: number
  readonly #wakeWords: number
  readonly #onFill: () => void
  #consumed = false
  #tail = 0
  #head = 0
  #previous = 0
  #sinceWake = 0
  /** Words ever written, to know how far back history reaches. */
  #written = 0

  /**
   * Without a consumer it is a recorder: old records are overwritten. `onFill` is called each time another quarter of
   * the ring has been written: the consumer should be woken then, not record by record.
   */
  constructor(memory: RingMemory, onFill: () => void = () => {}) {
    this.memory = memory
    this.#int32 = memory.int32
    this.#mask = memory.capacity - 1
    this.#wakeWords = memory.capacity >> 2
    this.#onFill = onFill
  }

  /** A consumer will read what is written from now on: nothing is overwritten any more before it was read. */
  attach(): void {
    this.#head = this.#tail
    Atomics.store(this.#int32, HEAD, this.#head)
    this.#consumed = true
  }

  /** The consumer is gone for good. */
  detach(): void {
    this.#consumed = false
  }

  /** Absolute word at which a record of `words` (its first one included) may be written, -1 where the ring is full. */
  reserve(words: number): number {
    const at = this.#tail & this.#mask
    const room = this.memory.capacity - at
    if (words <= room) return this.#fits(words) ? at + HEADER_WORDS : -1
    if (words > this.memory.capacity >> 1 || !this.#fits(room + words)) return -1
    this.#advance(at + HEADER_WORDS, room, FILLER)
    return HEADER_WORDS
  }

  /** Publish the record written at `at`. */
  commit(at: number, words: number, kind: number): void {
    this.#advance(at, words, kind)
    Atomics.store(this.#int32, TAIL, this.#tail)
    this.#sinceWake += words
    if (this.#sinceWake < this.#wakeWords) return
    this.#sinceWake = 0
    this.#onFill()
  }

  #advance(at: number, words: number, kind: number): void {
    this.#int32[at * 2] = (kind << 24) | words
    this.#int32[at * 2 + 1] = this.#previous
    this.#previous = words
    this.#tail = (this.#tail + words) | 0
    this.#written += words
  }

  #fits(words: number): boolean {
    if (!this.#consumed || ((this.#tail - this.#head) | 0) + words <= this.memory.capacity) return true
    this.#head = Atomics.load(this.#int32, HEAD)
    return ((this.#tail - this.#head) | 0) + words <= this.memory.capacity
  }

  /** Words of the record written last, which a walk back begins with. */
  get lastWords(): number {
    return this.#previous
  }

  /** Bytes that the consumer has not taken yet. */
  get pendingBytes(): number {
    return this.#consumed ? ((this.#tail - Atomics.load(this.#int32, HEAD)) | 0) * 8 : 0
  }

  /** Walk back over the intact records, newest first, until `visit` says false. For the producer thread only. */
  walkBack(visit: (at: number, words: number, kind: number) => boolean): void {
    let left = Math.min(this.#written, this.memory.capacity)
    let position = this.#tail
    let length = this.#previous
    while (length > 0 && length <= left) {
      position = (position - length) | 0
      left -= length
      const at = (position & this.#mask) + HEADER_WORDS
      const kind = this.#int32[at * 2]! >>> 24
      if (kind !== FILLER && !visit(at, length, kind)) return
      length = this.#int32[at * 2 + 1]!
    }
  }
}

/** What the producer may be writing beyond the tail that it has told of, at most: a filler and the largest record. */
const UNTOLD_WORDS = 32_768

/**
 * Walk over the records of memory that nobody writes to, newest first. `lastWords`: of the newest. A ring that its
 * process left in the middle of a record is read up to that.
 */
export function walkLeft(
  { int32, capacity }: RingMemory,
  lastWords: number,
  visit: (at: number, words: number, kind: number) => void,
): void {
  const mask = capacity - 1
  let left = capacity - Math.min(UNTOLD_WORDS, capacity >> 1)
  let position = int32[TAIL]!
  let length = lastWords
  while (length > 0 && length <= left) {
    position = (position - length) | 0
    left -= length
    const at = (position & mask) + HEADER_WORDS
    const first = int32[at * 2]!
    if ((first & 0xffffff) !== length) return
    if (first >>> 24 !== FILLER) visit(at, length, first >>> 24)
    length = int32[at * 2 + 1]!
  }
}

/** The consumer's end. */
export class RingReader {
  readonly memory: RingMemory
  readonly #int32: Int32Array
  readonly #mask: number
  /** Words behind the tail in which nothing is being overwritten. */
  readonly #safe: number
  #head: number
  /** Of the record read last, and of all since the start. */
  #lastWords = 0
  #read = 0

  constructor(memory: RingMemory) {
    this.memory = memory
    this.#int32 = memory.int32
    this.#mask = memory.capacity - 1
    this.#safe = memory.capacity - Math.min(UNTOLD_WORDS, memory.capacity >> 1)
    this.#head = Atomics.load(memory.int32, HEAD)
  }

  /**
   * Walk back over what was read, newest first, until `visit` says false or the producer may be writing there. Whoever
   * takes something from a record must ask {@link isIntact} of its position afterwards.
   */
  walkBack(visit: (at: number, words: number, kind: number, position: number) => boolean): void {
    let left = this.#read
    let position = this.#head
    let length = this.#lastWords
    while (length > 0 && length <= left) {
      position = (position - length) | 0
      if (!this.isIntact(position)) return
      left -= length
      const at = (position & this.#mask) + HEADER_WORDS
      const kind = this.#int32[at * 2]! >>> 24
      const before = this.#int32[at * 2 + 1]!
      if (kind !== FILLER && !visit(at, length, kind, position)) return
      length = before
    }
  }

  /** Whether a record that was read is still there as it was. */
  isIntact(position: number): boolean {
    return ((Atomics.load(this.#int32, TAIL) - position) | 0) <= this.#safe
  }

  /** Position of the record that is being handed out, for {@link isIntact}. */
  get position(): number {
    return this.#head
  }

  /**
   * Hand out the records that are there, at most `limit`; their memory is given back to the producer after the call,
   * in steps, so copy what is kept. Gives the number of records.
   */
  drain(visit: (at: number, words: number, kind: number) => void, limit = Number.POSITIVE_INFINITY): number {
    let count = 0
    let tail = Atomics.load(this.#int32, TAIL)
    while (count < limit) {
      if (this.#head === tail) {
        tail = Atomics.load(this.#int32, TAIL)
        if (this.#head === tail) break
      }
      const at = (this.#head & this.#mask) + HEADER_WORDS
      const first = this.#int32[at * 2]!
      const words = first & 0xffffff
      const kind = first >>> 24
      if (kind !== FILLER) {
        visit(at, words, kind)
        count++
      }
      this.#head = (this.#head + words) | 0
      this.#lastWords = words
      this.#read += words
      if ((count & 31) === 0) Atomics.store(this.#int32, HEAD, this.#head)
    }
    Atomics.store(this.#int32, HEAD, this.#head)
    return count
  }

  /** Share of the ring that waits to be read. */
  get fill(): number {
    return ((Atomics.load(this.#int32, TAIL) - this.#head) | 0) / this.memory.capacity
  }
}
