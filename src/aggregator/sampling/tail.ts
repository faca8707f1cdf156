/** Tail sampling in the store thread: what of a segment, and of the hops found with it, is stored. */
import type { Watch } from '../diagnosis/watch.ts'
import type { SegmentExtent, SegmentView } from '../intake/segment.ts'
import type { Edge } from '../store/pairing.ts'
import { TailSampler, type TailSamplingOptions } from './tail-sampler.ts'
import { type Thinned, Thinner } from './thin-segment.ts'

export class Tail {
  readonly #sampler: TailSampler
  readonly #thinner = new Thinner()
  readonly #words = new Uint32Array(4)

  constructor(options: TailSamplingOptions, watch: Pick<Watch, 'usualAtMostUs'>) {
    this.#sampler = new TailSampler(options, (service, route) => watch.usualAtMostUs(service, route))
  }

  note(view: SegmentView, rows: number): void {
    this.#sampler.note(view, rows)
  }

  /** A trace is to be stored whatever else is known of it, by the words of its id. */
  keep(words: Uint32Array): void {
    this.#sampler.keep(words)
  }

  /** See {@link TailSampler.countOf}. */
  countOf(trace: Uint32Array, at: number): number {
    return this.#sampler.countOf(trace, at)
  }

  /** See {@link Thinner.thin}. */
  thin(view: SegmentView, extent: SegmentExtent, countOf: (row: number) => number): Thinned {
    return this.#thinner.thin(view, extent, countOf)
  }

  /** The hops of traces that are stored, by how many each stands for. */
  edges(all: readonly Edge[]): Edge[] {
    return all.flatMap((edge) => {
      this.#words.set([edge.traceLow, edge.traceHigh, edge.traceLow2, edge.traceHigh2])
      const count = this.#sampler.countOf(this.#words, 0)
      if (count === 0) return []
      return count === 1 ? edge : { ...edge, weight: edge.weight * count }
    })
  }
}
