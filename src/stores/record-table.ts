/**
 * Ids of finished records and where their bytes are: a hash table and two lists by use, all in arrays of numbers, so that
 * the engine has no object for a record and nothing to collect (ADR 83). Rows 0 and 1 are the ends of the two lists, which
 * are rings.
 */
import { NONE, RowIndex } from '../core/row-index.ts'
import type { Kept } from './memory-records.ts'

/** With their body. */
export const RESPONSES = 0
/** Completed without a body, unknown, expired. */
export const REMAINS = 1
export type ListName = typeof RESPONSES | typeof REMAINS

const FIRST_ROW = 2
const FIRST_SIZE = 1024

export class RecordTable {
  readonly #matches: (kept: Kept, id: string) => boolean
  readonly #index = new RowIndex(FIRST_SIZE)
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
    const index = this.#index
    const hash = index.hashOf(id)
    for (let place = index.first(hash); ; place = index.next(place)) {
      const row = index.rowAt(place)
      if (row === NONE || (index.hashAt(place) === hash && this.#matches(this.#kept[row]!, id))) return row
    }
  }

  /** Add an id that is not there, as the one used last of its list; gives its row. */
  add(id: string, kept: Kept, list: ListName, bytes: number): number {
    const row = this.#takeRow()
    this.#index.add(row, this.#index.hashOf(id))
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
    this.#index.remove(row)
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
    this.#index.clear()
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

  // === rows ===

  #takeRow(): number {
    const row = this.#free
    if (row !== NONE) {
      this.#free = this.#newer[row]!
      return row
    }
    if (this.#fresh === this.#index.rows) this.#grow()
    return this.#fresh++
  }

  #grow(): void {
    this.#index.grow()
    const size = this.#index.rows
    this.#sizes = grown(this.#sizes, new Int32Array(size))
    this.#newer = grown(this.#newer, new Int32Array(size))
    this.#older = grown(this.#older, new Int32Array(size))
    this.#lists = grown(this.#lists, new Uint8Array(size))
  }
}

function grown<T extends Int32Array | Uint8Array>(from: T, to: T): T {
  to.set(from)
  return to
}
