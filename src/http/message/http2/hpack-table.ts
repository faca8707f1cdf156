/** The dynamic table of HPACK (RFC 7541 §2.3.2, §4): a ring whose newest entry has index 0. */

/** What an entry counts beyond its name and value (RFC 7541 §4.1). */
export const ENTRY_OVERHEAD = 32
/** SETTINGS_HEADER_TABLE_SIZE before SETTINGS say otherwise. */
export const DEFAULT_TABLE_BYTES = 4096

/** Size of a field in a table and in a header list (RFC 7541 §4.1, RFC 9113 §10.5.1). */
export function fieldSize(name: string, value: string): number {
  return name.length + value.length + ENTRY_OVERHEAD
}

/** Entries are strings that are kept as they came: an index gives the same objects each time. */
export class HpackTable {
  #names: (string | undefined)[]
  #values: (string | undefined)[]
  #mask: number
  /** Insertions so far; the newest entry is number `#inserted - 1`. */
  #inserted = 0
  #count = 0
  #bytes = 0
  #capacity: number

  constructor(capacity: number) {
    this.#capacity = capacity
    this.#mask = 7
    this.#names = new Array(8).fill(undefined)
    this.#values = new Array(8).fill(undefined)
  }

  get count(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#bytes
  }

  get capacity(): number {
    return this.#capacity
  }

  /** Number of insertions ever made: an entry's number less this is its age. */
  get inserted(): number {
    return this.#inserted
  }

  nameAt(index: number): string {
    return this.#names[(this.#inserted - 1 - index) & this.#mask]!
  }

  valueAt(index: number): string {
    return this.#values[(this.#inserted - 1 - index) & this.#mask]!
  }

  /** Change the size, evicting what has no room any more. */
  resize(capacity: number): void {
    this.#capacity = capacity
    this.makeRoom(0)
  }

  /** Evict the oldest entries until `size` bytes fit; all of them, and false, where they never will. */
  makeRoom(size: number): boolean {
    while (this.#count > 0 && this.#bytes + size > this.#capacity) {
      const slot = (this.#inserted - this.#count) & this.#mask
      this.#bytes -= fieldSize(this.#names[slot]!, this.#values[slot]!)
      this.#names[slot] = this.#values[slot] = undefined
      this.#count--
    }
    return size <= this.#capacity
  }

  /** Insert as the newest; an entry larger than the table empties it and is not kept (RFC 7541 §4.4). */
  insert(name: string, value: string): boolean {
    const size = fieldSize(name, value)
    if (!this.makeRoom(size)) return false
    if (this.#count > this.#mask) this.#grow()
    const slot = this.#inserted++ & this.#mask
    this.#names[slot] = name
    this.#values[slot] = value
    this.#count++
    this.#bytes += size
    return true
  }

  #grow(): void {
    const slots = (this.#mask + 1) * 2
    const names = new Array<string | undefined>(slots).fill(undefined)
    const values = new Array<string | undefined>(slots).fill(undefined)
    for (let i = 0; i < this.#count; i++) {
      const entry = this.#inserted - 1 - i
      names[entry & (slots - 1)] = this.#names[entry & this.#mask]
      values[entry & (slots - 1)] = this.#values[entry & this.#mask]
    }
    this.#names = names
    this.#values = values
    this.#mask = slots - 1
  }
}
