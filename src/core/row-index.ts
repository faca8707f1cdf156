/**
 * Rows of a table by the hash of their key: open addressing in arrays of numbers, with nothing for the engine to collect
 * (ADR 83). The table has the keys and compares them:
 *
 *     for (let place = index.first(hash); ; place = index.next(place)) {
 *       const row = index.rowAt(place)
 *       if (row === NONE || (index.hasHash(row, hash) && keys[row] === key)) return row
 *     }
 */
import { randomInt } from 'node:crypto'

/** No row. */
export const NONE = -1
/**
 * Characters that are hashed. Keys are hashes themselves (SHA-256 in base64url): so many tell them apart, and nobody makes
 * several with the same ones.
 */
const HASHED = 12

export class RowIndex {
  /** Which keys fall together, a client must not know. */
  readonly #seed = randomInt(2 ** 32) | 0
  /** A row by the hash of its key, at the first empty place from there on; twice as many places as rows. */
  #places: Int32Array
  #hashes: Int32Array

  /** For rows 0 to `rows` - 1; a power of two. */
  constructor(rows: number) {
    this.#hashes = new Int32Array(rows)
    this.#places = new Int32Array(rows * 2).fill(NONE)
  }

  /** Rows that there is room for. */
  get rows(): number {
    return this.#hashes.length
  }

  /** MurmurHash2's step for each character and its end. */
  hashOf(key: string): number {
    let hash = this.#seed ^ key.length
    const end = Math.min(key.length, HASHED)
    for (let i = 0; i < end; i++) {
      hash = Math.imul(hash ^ key.charCodeAt(i), 0x5bd1e995)
      hash ^= hash >>> 15
    }
    hash = Math.imul(hash ^ (hash >>> 13), 0x5bd1e995)
    return hash ^ (hash >>> 15)
  }

  /** Where to look first. */
  first(hash: number): number {
    return hash & (this.#places.length - 1)
  }

  /** Where to look next. */
  next(place: number): number {
    return (place + 1) & (this.#places.length - 1)
  }

  /** The row there, or {@link NONE}: then there is no further one. */
  rowAt(place: number): number {
    return this.#places[place]!
  }

  hasHash(row: number, hash: number): boolean {
    return this.#hashes[row] === hash
  }

  /** A row gets a key of this hash. */
  add(row: number, hash: number): void {
    this.#hashes[row] = hash
    this.#place(row)
  }

  /** Rows behind it move up where that is nearer to their own place, so that no gap hides them. */
  remove(row: number): void {
    const places = this.#places
    const mask = places.length - 1
    let gap = this.#hashes[row]! & mask
    while (places[gap] !== row) gap = (gap + 1) & mask
    for (let place = (gap + 1) & mask; places[place] !== NONE; place = (place + 1) & mask) {
      const own = this.#hashes[places[place]!]! & mask
      if (((place - own) & mask) < ((place - gap) & mask)) continue
      places[gap] = places[place]!
      gap = place
    }
    places[gap] = NONE
  }

  /** Room for twice as many rows; those there are go on in their new places. */
  grow(): void {
    const [rows, places] = [this.#hashes, this.#places]
    this.#hashes = new Int32Array(rows.length * 2)
    this.#hashes.set(rows)
    this.#places = new Int32Array(places.length * 2).fill(NONE)
    for (const row of places) if (row !== NONE) this.#place(row)
  }

  clear(): void {
    this.#places.fill(NONE)
  }

  #place(row: number): void {
    const mask = this.#places.length - 1
    let place = this.#hashes[row]! & mask
    while (this.#places[place] !== NONE) place = (place + 1) & mask
    this.#places[place] = row
  }
}
