/**
 * A map for what comes and goes thousands of times a second, by keys that are hashes. A Map of the engine makes its table
 * anew after so many of them, and each table keeps the next one alive: once one of them is old, all stay until the next full
 * collection, with what stood in them. Here the table has numbers, and keys and values stand in arrays whose places are
 * cleared (ADR 83).
 */
import { NONE, RowIndex } from './row-index.ts'

const FIRST_ROWS = 64

export class PassingMap<V extends object> {
  #index = new RowIndex(FIRST_ROWS)
  readonly #keys: (string | undefined)[] = []
  readonly #values: (V | undefined)[] = []
  readonly #free: number[] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  get(key: string): V | undefined {
    const row = this.#find(key, this.#index.hashOf(key))
    return row === NONE ? undefined : this.#values[row]
  }

  set(key: string, value: V): void {
    const hash = this.#index.hashOf(key)
    let row = this.#find(key, hash)
    if (row === NONE) {
      row = this.#takeRow()
      this.#index.add(row, hash)
      this.#keys[row] = key
      this.#size++
    }
    this.#values[row] = value
  }

  /** What was there. */
  delete(key: string): V | undefined {
    const row = this.#find(key, this.#index.hashOf(key))
    if (row === NONE) return undefined
    const value = this.#values[row]
    this.#index.remove(row)
    this.#keys[row] = undefined
    this.#values[row] = undefined
    this.#free.push(row)
    this.#size--
    return value
  }

  clear(): void {
    this.#index = new RowIndex(FIRST_ROWS)
    this.#keys.length = 0
    this.#values.length = 0
    this.#free.length = 0
    this.#size = 0
  }

  /** In no order. What is added or deleted meanwhile may or may not be met. */
  *entries(): Generator<[string, V]> {
    for (let row = 0; row < this.#keys.length; row++) {
      const key = this.#keys[row]
      if (key !== undefined) yield [key, this.#values[row]!]
    }
  }

  *values(): Generator<V> {
    for (const [, value] of this.entries()) yield value
  }

  #find(key: string, hash: number): number {
    const index = this.#index
    for (let place = index.first(hash); ; place = index.next(place)) {
      const row = index.rowAt(place)
      if (row === NONE || (index.hashAt(place) === hash && this.#keys[row] === key)) return row
    }
  }

  #takeRow(): number {
    const free = this.#free.pop()
    if (free !== undefined) return free
    if (this.#keys.length === this.#index.rows) this.#index.grow()
    return this.#keys.length
  }
}
