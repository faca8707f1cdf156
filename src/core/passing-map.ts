/**
 * A map for what comes and goes thousands of times a second. A Map of the engine makes its table anew after so many of
 * them, and what stood in the old one is kept alive by it until the next full collection: a copy of each request that was
 * under way then, moved to where only that finds it. Here the table has numbers, and the values stand in an array whose
 * places are cleared (ADR 83).
 */
export class PassingMap<V extends object> {
  readonly #rows = new Map<string, number>()
  readonly #values: (V | undefined)[] = []
  readonly #free: number[] = []

  get size(): number {
    return this.#rows.size
  }

  get(key: string): V | undefined {
    const row = this.#rows.get(key)
    return row === undefined ? undefined : this.#values[row]
  }

  set(key: string, value: V): void {
    let row = this.#rows.get(key)
    if (row === undefined) {
      row = this.#free.pop() ?? this.#values.length
      this.#rows.set(key, row)
    }
    this.#values[row] = value
  }

  /** What was there. */
  delete(key: string): V | undefined {
    const row = this.#rows.get(key)
    if (row === undefined) return undefined
    this.#rows.delete(key)
    const value = this.#values[row]
    this.#values[row] = undefined
    this.#free.push(row)
    return value
  }

  clear(): void {
    this.#rows.clear()
    this.#values.length = 0
    this.#free.length = 0
  }

  /** In order of their keys' arrival. What is added or deleted meanwhile may or may not be met. */
  *entries(): Generator<[string, V]> {
    for (const [key, row] of this.#rows) {
      const value = this.#values[row]
      if (value !== undefined) yield [key, value]
    }
  }

  *values(): Generator<V> {
    for (const [, value] of this.entries()) yield value
  }
}
