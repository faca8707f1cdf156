/** Traces of late by 64 bits of their ids, in bounded memory: two tables, the older of which goes when the newer is full. */

const WAYS = 8

export class RememberedTraces {
  readonly #capacity: number
  #newer: Uint32Array
  #older: Uint32Array
  #count = 0

  /** `capacity`: of one table, a power of two; 8 bytes each. At least half as many are remembered. */
  constructor(capacity = 262_144) {
    this.#capacity = capacity
    this.#newer = new Uint32Array(capacity * 2)
    this.#older = new Uint32Array(capacity * 2)
  }

  has(trace: Uint32Array, at: number): boolean {
    const [a, b] = keyOf(trace, at)
    const slot = this.#slotOf(a, b)
    return holds(this.#newer, slot, a, b) || holds(this.#older, slot, a, b)
  }

  add(trace: Uint32Array, at: number): void {
    const [a, b] = keyOf(trace, at)
    const slot = this.#slotOf(a, b)
    if (holds(this.#newer, slot, a, b)) return
    if (this.#count >= this.#capacity / 2) this.#turn()
    const table = this.#newer
    for (let way = 0; way < WAYS * 2; way += 2) {
      if (table[slot + way] !== 0 || table[slot + way + 1] !== 0) continue
      table[slot + way] = a
      table[slot + way + 1] = b
      this.#count++
      return
    }
    // Its set is full: as if the table were.
    this.#turn()
    this.#newer[slot] = a
    this.#newer[slot + 1] = b
    this.#count = 1
  }

  #turn(): void {
    const gone = this.#older
    this.#older = this.#newer
    this.#newer = gone.fill(0)
    this.#count = 0
  }

  #slotOf(a: number, b: number): number {
    const hash = Math.imul(a ^ Math.imul(b, 0x9e3779b1), 0x85ebca6b)
    return ((hash ^ (hash >>> 15)) & (this.#capacity / WAYS - 1)) * WAYS * 2
  }
}

function holds(table: Uint32Array, slot: number, a: number, b: number): boolean {
  for (let at = slot; at < slot + WAYS * 2; at += 2) if (table[at] === a && table[at + 1] === b) return true
  return false
}

/** All four words count: ids of 64 bits leave half of them 0. Never 0, 0. */
function keyOf(trace: Uint32Array, at: number): [number, number] {
  return [(trace[at]! ^ Math.imul(trace[at + 2]!, 0x9e3779b1)) >>> 0, (trace[at + 1]! ^ trace[at + 3]!) >>> 0 || 1]
}
