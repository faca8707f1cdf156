/**
 * The ids of spans received lately, to know those that come again: a sender repeats a request whose acknowledgement was
 * lost. Sets of four, the newest first, as a processor's cache has them: a look-up touches two cache lines and no more.
 * Exact: all 24 bytes are compared.
 */

const WORDS = 6
const WAYS = 4
const SET_WORDS = WORDS * WAYS

export class RecentIds {
  readonly #mask: number
  readonly #table: Uint32Array
  /** Where what was read goes, so that reading is not optimised away. */
  readonly #touched = new Uint32Array(1)

  /** `capacity`: ids that are remembered, about; a power of two. 24 bytes each. */
  constructor(capacity = 1_048_576) {
    this.#mask = capacity / WAYS - 1
    this.#table = new Uint32Array(capacity * WORDS)
  }

  /** Whether the id was there; it is afterwards. `traceAt` and `spanAt` are indexes of words. */
  seen(trace: Uint32Array, traceAt: number, span: Uint32Array, spanAt: number): boolean {
    const table = this.#table
    const low = span[spanAt]!
    const high = span[spanAt + 1]!
    const first = trace[traceAt]!
    const set = this.#setOf(trace, traceAt, span, spanAt)
    for (let at = set; at < set + SET_WORDS; at += WORDS) {
      if (
        table[at] === low &&
        table[at + 1] === high &&
        table[at + 2] === first &&
        table[at + 3] === trace[traceAt + 1] &&
        table[at + 4] === trace[traceAt + 2] &&
        table[at + 5] === trace[traceAt + 3]
      )
        return true
    }
    table.copyWithin(set + WORDS, set, set + SET_WORDS - WORDS)
    table[set] = low
    table[set + 1] = high
    table[set + 2] = first
    for (let i = 1; i < 4; i++) table[set + 2 + i] = trace[traceAt + i]!
    return false
  }

  /**
   * Reads where the ids of `count` spans would stand, whose words follow each other: the processor waits for all of these
   * cache lines at once then, and not for one after the other in {@link seen}.
   */
  touch(trace: Uint32Array, traceAt: number, span: Uint32Array, spanAt: number, count: number): void {
    let any = 0
    for (let i = 0; i < count; i++) {
      const set = this.#setOf(trace, traceAt + i * 4, span, spanAt + i * 2)
      any |= this.#table[set]! | this.#table[set + SET_WORDS - 1]!
    }
    this.#touched[0] = any
  }

  #setOf(trace: Uint32Array, traceAt: number, span: Uint32Array, spanAt: number): number {
    // Ids are random in most senders; mixed all the same, since some count upward.
    let hash = Math.imul(span[spanAt]! ^ (span[spanAt + 1]! << 7), 0x9e3779b1) ^ trace[traceAt + 3]!
    hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b) ^ trace[traceAt]!
    return ((hash ^ (hash >>> 13)) & this.#mask) * SET_WORDS
  }
}
