/**
 * Long work on the store thread in portions, so that what is to be stored, and other questions, get their turn in between.
 * The work is a generator that yields wherever it may be left for a while.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { nowUs } from '../core/clock.ts'

export type Steps<T> = Generator<undefined, T, undefined>

const PORTION_US = 20_000
/** Items of a list between two places to rest: a clock is not read for each. */
const ITEMS = 256

/** All of it now. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return value
  }
}

export async function inPortions<T>(steps: Steps<T>): Promise<T> {
  let untilUs = nowUs() + PORTION_US
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return value
    if (nowUs() < untilUs) continue
    await nextTurn()
    untilUs = nowUs() + PORTION_US
  }
}

/** `list.map(make)` with places to rest. */
export function* mapped<A, B>(list: readonly A[], make: (item: A, index: number) => B): Steps<B[]> {
  const made: B[] = []
  for (let i = 0; i < list.length; i++) {
    if (i % ITEMS === ITEMS - 1) yield
    made.push(make(list[i]!, i))
  }
  return made
}

/** JSON of an object one of whose values is a long list. */
export function* jsonWith(rest: object, name: string, list: readonly unknown[]): Steps<string> {
  const items = yield* mapped(list, (item) => JSON.stringify(item))
  yield
  const head = JSON.stringify(rest).slice(0, -1)
  return `${head}${head === '{' ? '' : ','}${JSON.stringify(name)}:[${items.join(',')}]}`
}
