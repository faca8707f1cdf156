/**
 * Which traces are stored: all that failed or were slow, and a share of the rest. The share is decided by the trace id
 * alone, so that every replica, and the same one after a restart, decides alike (docs/adr/0078).
 */
import type { SegmentView } from '../intake/segment.ts'
import { RememberedTraces } from './remembered-traces.ts'

export interface TailSamplingOptions {
  /** Of healthy traces, 0 … 1. */
  readonly share: number
  /** A trace with a span that took longer is kept; 0: however long. */
  readonly slowMs: number
  /** So is one with a request that took more than so many times what 99 % take at its route; 0: off. */
  readonly slowTimes: number
  /** How long a segment waits for the rest of its traces, milliseconds. */
  readonly waitMs: number
}

/** What 99 % of the requests to a route take, microseconds; undefined where that is not known yet. */
export type UsualUs = (service: number, route: number) => number | undefined

const ERROR = 2
const SERVER = 2

export class TailSampler {
  readonly #options: TailSamplingOptions
  readonly #usual: UsualUs
  readonly #notable = new RememberedTraces()
  /** Traces whose hash is below are kept. */
  readonly #below: number

  constructor(options: TailSamplingOptions, usual: UsualUs) {
    this.#options = options
    this.#usual = usual
    this.#below = options.share * 2 ** 32
  }

  /** See which traces of a segment are kept in any case. To be called for each, in their order, ahead of what asks. */
  note(view: SegmentView, rows: number): void {
    const { slowMs } = this.#options
    const slowUs = slowMs === 0 ? Number.POSITIVE_INFINITY : slowMs * 1000
    for (let row = 0; row < rows; row++) {
      const isNotable =
        view.status[row] === ERROR ||
        view.http[row]! >= 500 ||
        view.weight[row] === 0 || // its trace was written out by a flight recorder
        view.duration[row]! > slowUs ||
        this.#isUnusual(view, row)
      if (isNotable) this.#notable.add(view.trace, row * 4)
    }
  }

  /** A trace is kept in any case, by the words of its id. */
  keep(words: Uint32Array): void {
    this.#notable.add(words, 0)
  }

  /** How many traces the one at `trace[at]` stands for among those like it; 0: it is not stored. */
  countOf(trace: Uint32Array, at: number): number {
    if (this.#notable.has(trace, at)) return 1
    return hashOfTrace(trace, at) < this.#below ? 1 / this.#options.share : 0
  }

  #isUnusual(view: SegmentView, row: number): boolean {
    const { slowTimes } = this.#options
    if (slowTimes === 0 || view.kind[row] !== SERVER) return false
    const usual = this.#usual(view.service[row]!, view.route[row]!)
    return usual !== undefined && view.duration[row]! > usual * slowTimes
  }
}

/**
 * 32 even bits of a trace id. Not its random bits as they are: those have been decided on at the head, by a threshold that
 * may have been any.
 */
export function hashOfTrace(trace: Uint32Array, at: number): number {
  let hash = 0x9747b28c
  for (let i = at; i < at + 4; i++) {
    let word = Math.imul(trace[i]!, 0xcc9e2d51)
    word = (word << 15) | (word >>> 17)
    hash ^= Math.imul(word, 0x1b873593)
    hash = (hash << 13) | (hash >>> 19)
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0
  }
  hash ^= hash >>> 16
  hash = Math.imul(hash, 0x85ebca6b)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
