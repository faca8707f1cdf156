/**
 * The ids of spans received lately, to know those that come again: a sender repeats a request whose acknowledgement was
 * lost. Two generations of a table; when one is full the older is forgotten. Exact: all 24 bytes are compared.
 */

const WORDS = 6

export class RecentIds {
  readonly #capacity: number
  readonly #mask: number
  #young: Uint32Array
  #old: Uint32Array
  #count = 0

  /** `capacity`: ids of one generation, a power of two; at least so many are remembered, at most twice that. */
  constructor(capacity = 524_288) {
    this.#capacity = capacity
    this.#mask = capacity * 2 - 1
    this.#young = new Uint32Array(capacity * 2 * WORDS)
    this.#old = new Uint32Array(capacity * 2 * WORDS)
  }

  /** Whether the id was there; it is afterwards. `traceAt` and `spanAt` are indexes of words. */
  seen(trace: Uint32Array, traceAt: number, span: Uint32Array, spanAt: number): boolean {
    const start = mixed(trace, traceAt, span, spanAt) & this.#mask
    if (find(this.#old, start, this.#mask, trace, traceAt, span, spanAt) >= 0) return true
    const slot = find(this.#young, start, this.#mask, trace, traceAt, span, spanAt)
    if (slot >= 0) return true
    const free = (-slot - 1) * WORDS
    const table = this.#young
    for (let i = 0; i < 4; i++) table[free + i] = trace[traceAt + i]!
    table[free + 4] = span[spanAt]!
    table[free + 5] = span[spanAt + 1]!
    if (++this.#count >= this.#capacity) this.#turn()
    return false
  }

  #turn(): void {
    const empty = this.#old.fill(0)
    this.#old = this.#young
    this.#young = empty
    this.#count = 0
  }
}

/** Ids are random in most senders; mixed all the same, since some count upward. */
function mixed(trace: Uint32Array, traceAt: number, span: Uint32Array, spanAt: number): number {
  let hash = Math.imul(span[spanAt]! ^ (span[spanAt + 1]! << 7), 0x9e3779b1) ^ trace[traceAt + 3]!
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b) ^ trace[traceAt]!
  return (hash ^ (hash >>> 13)) >>> 0
}

/** The slot that holds the id, or -1 - the free slot where it would be. A span id of zeros marks a free slot. */
function find(
  table: Uint32Array,
  start: number,
  mask: number,
  trace: Uint32Array,
  traceAt: number,
  span: Uint32Array,
  spanAt: number,
): number {
  const [low, high] = [span[spanAt]!, span[spanAt + 1]!]
  for (let slot = start; ; slot = (slot + 1) & mask) {
    const at = slot * WORDS
    const [a, b] = [table[at + 4]!, table[at + 5]!]
    if (a === 0 && b === 0) return -1 - slot
    if (
      a === low &&
      b === high &&
      table[at + 3] === trace[traceAt + 3] &&
      table[at + 2] === trace[traceAt + 2] &&
      table[at + 1] === trace[traceAt + 1] &&
      table[at] === trace[traceAt]
    )
      return slot
  }
}
