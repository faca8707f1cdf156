/**
 * Ids of finished records and where their bytes are: a hash table and two lists by use, all in arrays of numbers, so that
 * the engine has no object for a record and nothing to collect (ADR 83). Rows 0 and 1 are the ends of the two lists, which
 * are rings.
 */
import { randomInt } from 'node:crypto'
import type { Kept } from './memory-records.ts'

/** With their body. */
export const RESPONSES = 0
/** Completed without a body, unknown, expired. */
export const REMAINS = 1
export type ListName = typeof RESPONSES | typeof REMAINS

/** No row. */
export const NONE = -1
const FIRST_ROW = 2
const FIRST_SIZE = 1024
const EMPTY = 0

export class RecordTable {
  readonly #matches: (kept: Kept, id: string) => boolean
  /** Ids are hashes that a client may search for at its leisure: which of them fall together, it must not know. */
  readonly #seed = randomInt(2 ** 32) | 0
  /** A row by the hash of its id, at the first empty place from there on; twice as many places as rows. */
  #places = new Int32Array(FIRST_SIZE * 2)
  #hashes = new Int32Array(FIRST_SIZE)
  #sizes = new Int32Array(FIRST_SIZE)
  #newer = new Int32Array(FIRST_SIZE)
  #older = new Int32Array(FIRST_SIZE)
  #lists = new Uint8Array(FIRST_SIZE)
  #kept: Kept[] = [0, 0]
  /** The next row that never was used, and the first one that was and is free, chained by {@link #newer}. */
  #fresh = FIRST_ROW
  #free = NONE
  readonly #bytes: [number, number] = [0, 0]

  /** `matches`: whether a record is of the id. */
  constructor(matches: (kept: Kept, id: string) => boolean) {
    this.#matches = matches
    this.clear()
  }

  /** Bytes of the records of a list, as they were given. */
  bytesOf(list: ListName): number {
    return this.#bytes[list]
  }

  keptAt(row: number): Kept {
    return this.#kept[row]!
  }

  /** The row of an id, or {@link NONE}. */
  find(id: string): number {
    const hash = this.#hash(id)
    const mask = this.#places.length - 1
    for (let place = hash & mask; ; place = (place + 1) & mask) {
      const row = this.#places[place]!
      if (row === EMPTY) return NONE
      if (this.#hashes[row] === hash && this.#matches(this.#kept[row]!, id)) return row
    }
  }

  /** Add an id that is not there, as the one used last of its list; gives its row. */
  add(id: string, kept: Kept, list: ListName, bytes: number): number {
    const row = this.#takeRow()
    this.#hashes[row] = this.#hash(id)
    this.#place(row)
    this.#link(row, kept, list, bytes)
    return row
  }

  /** It is the one used last of its list. */
  use(row: number): void {
    const list = this.#lists[row] as ListName
    if (this.#newer[row] === list) return
    const bytes = this.#sizes[row]!
    this.#unlink(row)
    this.#link(row, this.#kept[row]!, list, bytes)
  }

  /** The row goes to the end of a list, with other bytes in place of its own. */
  move(row: number, kept: Kept, list: ListName, bytes: number): void {
    this.#unlink(row)
    this.#link(row, kept, list, bytes)
  }

  remove(row: number): void {
    this.#unlink(row)
    this.#displace(row)
    this.#kept[row] = 0
    this.#newer[row] = this.#free
    this.#free = row
  }

  /** The row of a list that was not used for longest, or {@link NONE}. */
  oldest(list: ListName): number {
    const row = this.#newer[list]!
    return row === list ? NONE : row
  }

  /** All that is kept, oldest first. */
  *values(list: ListName): Generator<Kept> {
    for (let row = this.#newer[list]!; row !== list; row = this.#newer[row]!) yield this.#kept[row]!
  }

  clear(): void {
    this.#places.fill(EMPTY)
    this.#kept.length = FIRST_ROW
    this.#fresh = FIRST_ROW
    this.#free = NONE
    for (const list of [RESPONSES, REMAINS]) {
      this.#bytes[list] = 0
      this.#newer[list] = list
      this.#older[list] = list
    }
  }

  // === the lists ===

  #link(row: number, kept: Kept, list: ListName, bytes: number): void {
    this.#kept[row] = kept
    this.#lists[row] = list
    this.#sizes[row] = bytes
    this.#bytes[list] += bytes
    const last = this.#older[list]!
    this.#older[row] = last
    this.#newer[row] = list
    this.#newer[last] = row
    this.#older[list] = row
  }

  #unlink(row: number): void {
    const [newer, older] = [this.#newer[row]!, this.#older[row]!]
    this.#newer[older] = newer
    this.#older[newer] = older
    this.#bytes[this.#lists[row] as ListName] -= this.#sizes[row]!
  }

  // === the hash table ===

  /** MurmurHash2's step for each character and its end. */
  #hash(id: string): number {
    let hash = this.#seed
    for (let i = 0; i < id.length; i++) {
      hash = Math.imul(hash ^ id.charCodeAt(i), 0x5bd1e995)
      hash ^= hash >>> 15
    }
    hash = Math.imul(hash ^ (hash >>> 13), 0x5bd1e995)
    return hash ^ (hash >>> 15)
  }

  #place(row: number): void {
    const mask = this.#places.length - 1
    let place = this.#hashes[row]! & mask
    while (this.#places[place] !== EMPTY) place = (place + 1) & mask
    this.#places[place] = row
  }

  /** Rows behind it move up where that is nearer to their own place, so that no gap hides them. */
  #displace(row: number): void {
    const places = this.#places
    const mask = places.length - 1
    let gap = this.#hashes[row]! & mask
    while (places[gap] !== row) gap = (gap + 1) & mask
    for (let place = (gap + 1) & mask; places[place] !== EMPTY; place = (place + 1) & mask) {
      const own = this.#hashes[places[place]!]! & mask
      if (((place - own) & mask) < ((place - gap) & mask)) continue
      places[gap] = places[place]!
      gap = place
    }
    places[gap] = EMPTY
  }

  #takeRow(): number {
    const row = this.#free
    if (row !== NONE) {
      this.#free = this.#newer[row]!
      return row
    }
    if (this.#fresh === this.#hashes.length) this.#grow()
    return this.#fresh++
  }

  #grow(): void {
    const size = this.#hashes.length * 2
    this.#hashes = grown(this.#hashes, new Int32Array(size))
    this.#sizes = grown(this.#sizes, new Int32Array(size))
    this.#newer = grown(this.#newer, new Int32Array(size))
    this.#older = grown(this.#older, new Int32Array(size))
    this.#lists = grown(this.#lists, new Uint8Array(size))
    this.#places = new Int32Array(size * 2)
    // Grown where no row is free: all of them have a place.
    for (let row = FIRST_ROW; row < this.#fresh; row++) this.#place(row)
  }
}

function grown<T extends Int32Array | Uint8Array>(from: T, to: T): T {
  to.set(from)
  return to
}
