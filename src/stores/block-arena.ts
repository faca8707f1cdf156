/**
 * Many small records in few buffers: blocks of 288 bytes, chained by number. The engine has no object for a record, so
 * that its collector need not look at them, move them, or give them back. Blocks are used again, never returned: the
 * arena stays as large as it was at its fullest.
 */

/** What remains of a usual record without its body is one block. */
const BLOCK_BYTES = 288
const BLOCK_WORDS = BLOCK_BYTES / 4
/** Blocks are made so many at a time. */
const SEGMENT_BLOCKS = 1024
const NONE = -1

/** Blocks that a record of so many bytes takes. */
const blocksFor = (bytes: number): number => Math.max(1, Math.ceil(bytes / BLOCK_BYTES))

/** What a record of so many bytes takes of the arena, its place in the lists included. */
export function arenaBytes(bytes: number): number {
  return blocksFor(bytes) * (BLOCK_BYTES + 8)
}

/** Where records are written before they are put: 18 KiB at most. */
export class Staging {
  readonly bytes = Buffer.allocUnsafeSlow(64 * BLOCK_BYTES)
  readonly words = new Int32Array(this.bytes.buffer)
}

export class BlockArena {
  readonly #bytes: Buffer[] = []
  readonly #words: Int32Array[] = []
  /** Of each block the next one of its record, or of the free ones. */
  #next = new Int32Array(0)
  /** Of each first block: bytes of its record. */
  #lengths = new Int32Array(0)
  #free = NONE

  /** Keep the first `length` bytes of what is staged; gives the number to ask for it by. */
  put({ words }: Staging, length: number): number {
    let left = blocksFor(length)
    const first = this.#take()
    this.#lengths[first] = length
    let block = first
    for (let from = 0; ; from += BLOCK_WORDS) {
      const segment = this.#words[Math.floor(block / SEGMENT_BLOCKS)]!
      const to = (block % SEGMENT_BLOCKS) * BLOCK_WORDS
      for (let i = 0; i < BLOCK_WORDS; i++) segment[to + i] = words[from + i]!
      if (--left === 0) break
      const next = this.#take()
      this.#next[block] = next
      block = next
    }
    this.#next[block] = NONE
    return first
  }

  lengthOf(record: number): number {
    return this.#lengths[record]!
  }

  /** The first four bytes of a record as an unsigned little-endian number. */
  headOf(record: number): number {
    return this.#words[Math.floor(record / SEGMENT_BLOCKS)]![(record % SEGMENT_BLOCKS) * BLOCK_WORDS]! >>> 0
  }

  /** Whether `text` stands at `at` of a record, a multiple of four in its first block: the length as u32, then latin1. */
  hasString(record: number, at: number, text: string): boolean {
    const words = this.#words[Math.floor(record / SEGMENT_BLOCKS)]!
    if (words[(record % SEGMENT_BLOCKS) * BLOCK_WORDS + at / 4]! >>> 0 !== text.length) return false
    let left = BLOCK_BYTES - at - 4
    let block = record
    let bytes = this.#bytes[Math.floor(block / SEGMENT_BLOCKS)]!
    let from = (block % SEGMENT_BLOCKS) * BLOCK_BYTES + at + 4
    for (let i = 0; i < text.length; i++) {
      if (left-- === 0) {
        block = this.#next[block]!
        bytes = this.#bytes[Math.floor(block / SEGMENT_BLOCKS)]!
        from = (block % SEGMENT_BLOCKS) * BLOCK_BYTES - i
        left = BLOCK_BYTES - 1
      }
      if (bytes[from + i] !== text.charCodeAt(i)) return false
    }
    return true
  }

  /** A copy of a record. */
  get(record: number): Buffer {
    const length = this.#lengths[record]!
    const copy = Buffer.allocUnsafe(length)
    for (let block = record, at = 0; at < length; block = this.#next[block]!, at += BLOCK_BYTES) {
      const from = (block % SEGMENT_BLOCKS) * BLOCK_BYTES
      const end = from + Math.min(BLOCK_BYTES, length - at)
      this.#bytes[Math.floor(block / SEGMENT_BLOCKS)]!.copy(copy, at, from, end)
    }
    return copy
  }

  /** Give up what of a record is behind its first `length` bytes. */
  shorten(record: number, length: number): void {
    this.#lengths[record] = length
    let last = record
    for (let left = blocksFor(length); left > 1; left--) last = this.#next[last]!
    const rest = this.#next[last]!
    this.#next[last] = NONE
    if (rest !== NONE) this.drop(rest)
  }

  /** Give up a record; its number may be given to another one from now on. */
  drop(record: number): void {
    let last = record
    for (let next = this.#next[last]!; next !== NONE; next = this.#next[last]!) last = next
    this.#next[last] = this.#free
    this.#free = record
  }

  #take(): number {
    if (this.#free === NONE) this.#grow()
    const block = this.#free
    this.#free = this.#next[block]!
    return block
  }

  #grow(): void {
    const first = this.#bytes.length * SEGMENT_BLOCKS
    const bytes = Buffer.allocUnsafeSlow(SEGMENT_BLOCKS * BLOCK_BYTES)
    this.#bytes.push(bytes)
    this.#words.push(new Int32Array(bytes.buffer))
    if (first + SEGMENT_BLOCKS > this.#next.length) {
      const size = Math.max(SEGMENT_BLOCKS, this.#next.length * 2)
      this.#next = longer(this.#next, size)
      this.#lengths = longer(this.#lengths, size)
    }
    for (let block = first + SEGMENT_BLOCKS - 1; block >= first; block--) {
      this.#next[block] = this.#free
      this.#free = block
    }
  }
}

function longer(from: Int32Array, size: number): Int32Array<ArrayBuffer> {
  const to = new Int32Array(size)
  to.set(from)
  return to
}
