/** Memory that is held and changed all the time: the collector has more and more to walk, and the service pauses. */
import type { Random } from './random.ts'

interface Item {
  readonly text: string
  readonly numbers: readonly number[]
  next: Item | undefined
}

const ITEM_BYTES = 160
const STEP_MS = 20
/** Items a step until it is full; then so many are replaced. */
const GROWTH = 60_000
const CHURN = 15_000

export class Hoard {
  readonly #random: Random
  #items: (Item | undefined)[] = []
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
    return { text: `item ${i}`, numbers: [i, i + 1, i + 2], next: this.#items[this.#random.below(i + 1)] }
  }
}
