/** Memory that is held and changed all the time: the collector has more and more to walk, and the service pauses. */
import type { Random } from './random.ts'

interface Item {
  readonly text: string
  readonly numbers: readonly number[]
  readonly more: { readonly of: number }
}

const ITEM_BYTES = 160
const STEP_MS = 20
/** Items a step until it is full; then so many are replaced. */
const GROWTH = 30_000
const CHURN = 4000

export class Hoard {
  readonly #random: Random
  #items: Item[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(random: Random) {
    this.#random = random
  }

  /** Grow to so many MiB, and go on replacing. */
  fill(mebibytes: number): void {
    this.empty()
    const wanted = Math.round((mebibytes * 1048576) / ITEM_BYTES)
    const items = this.#items
    this.#timer = setInterval(() => {
      const target = Math.min(wanted, items.length + GROWTH)
      while (items.length < target) items.push(this.#item(items.length))
      for (let i = 0; i < CHURN; i++) items[this.#random.below(items.length)] = this.#item(i)
    }, STEP_MS)
  }

  empty(): void {
    clearInterval(this.#timer)
    this.#items = []
  }

  #item(i: number): Item {
    return { text: `item ${i}`, numbers: [i, i + 1, i + 2], more: { of: i } }
  }
}
