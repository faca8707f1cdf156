/**
 * Rows of a table by the hash of their key: open addressing in arrays of numbers, with nothing for the engine to collect
 * (ADR 83). The table has the keys and compares them:
 *
 *     for (let place = index.first(hash); ; place = index.next(place)) {
 *       const row = index.rowAt(place)
 *       if (row === NONE || (index.hashAt(place) === hash && keys[row] === key)) return row
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
  /**
   * Row and hash by turns, at the first empty place from that of the hash on; twice as many places as rows. With the hash
   * at hand a look is mostly one miss of the cache.
   */
  #places: Int32Array
  /** By row. */
  #hashes: Int32Array

  /** For rows 0 to `rows` - 1; a power of two. */
  constructor(rows: number) {
    this.#hashes = new Int32Array(rows)
    this.#places = new Int32Array(rows * 4).fill(NONE)
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
    return (hash << 1) & (this.#places.length - 1)
  }

  /** Where to look next. */
  next(place: number): number {
    return (place + 2) & (this.#places.length - 1)
  }

  /** The row there, or {@link NONE}: then there is no further one. */
  rowAt(place: number): number {
    return this.#places[place]!
  }

  /** The hash of the row there. */
  hashAt(place: number): number {
    return this.#places[place + 1]!
  }

  /** A row gets a key of this hash. */
  add(row: number, hash: number): void {
    this.#hashes[row] = hash
    this.#place(row, hash)
  }

  /** Rows behind it move up where that is nearer to their own place, so that no gap hides them. */
  remove(row: number): void {
    const places = this.#places
    const mask = places.length - 1
    let gap = this.first(this.#hashes[row]!)
    while (places[gap] !== row) gap = this.next(gap)
    for (let place = this.next(gap); places[place] !== NONE; place = this.next(place)) {
      const own = this.first(places[place + 1]!)
      if (((place - own) & mask) < ((place - gap) & mask)) continue
      places[gap] = places[place]!
      places[gap + 1] = places[place + 1]!
      gap = place
    }
    places[gap] = NONE
  }

  /** Room for twice as many rows; those there are go on in their new places. */
  grow(): void {
    const [hashes, places] = [this.#hashes, this.#places]
    this.#hashes = new Int32Array(hashes.length * 2)
    this.#hashes.set(hashes)
    this.#places = new Int32Array(places.length * 2).fill(NONE)
    for (let place = 0; place < places.length; place += 2) {
      if (places[place] !== NONE) this.#place(places[place]!, places[place + 1]!)
    }
  }

  clear(): void {
    this.#places.fill(NONE)
  }

  #place(row: number, hash: number): void {
    let place = this.first(hash)
    while (this.#places[place] !== NONE) place = this.next(place)
    this.#places[place] = row
    this.#places[place + 1] = hash
  }
}
