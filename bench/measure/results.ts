/** The samples of a run, asked by peer, workload and phase. Ratios and differences are taken within a round. */
import type { Phase, Sample } from './sample.ts'
import { type Spread, spreadOf } from './statistics.ts'

/** A figure that some samples have; undefined where one has not. */
export type Figure = (sample: Sample) => number | undefined

export const cpuWhole: Figure = (sample) => sample.cpuWholeUs
export const cpuDataThread: Figure = (sample) => sample.cpuDataThreadUs
export const perSecond: Figure = (sample) => sample.perSecond
export const p50: Figure = (sample) => sample.p50Us
export const p99: Figure = (sample) => sample.p99Us
export const rss: Figure = (sample) => sample.rssMiB
export const punctualShare: Figure = (sample) => sample.punctualShare

/** Samples of one phase of one workload. */
export class PhaseResults {
  readonly #samples: readonly Sample[]

  constructor(all: readonly Sample[], workload: string, phase: Phase) {
    this.#samples = all.filter((sample) => sample.workload === workload && sample.phase === phase)
  }

  get peers(): string[] {
    return [...new Set(this.#samples.map((sample) => sample.peer))]
  }

  of(peer: string): Sample[] {
    return this.#samples.filter((sample) => sample.peer === peer)
  }

  spread(peer: string, figure: Figure): Spread | undefined {
    return spreadOf(this.of(peer).map(figure).filter(isNumber))
  }

  /** `figure(peer) / base(over)`, round by round. */
  ratio(peer: string, figure: Figure, over: string, base: Figure = figure): Spread | undefined {
    return this.#paired(peer, figure, over, base, (value, other) => value / other)
  }

  /** How much more of `figure` the peer has than no proxy, round by round. */
  added(peer: string, figure: Figure): Spread | undefined {
    return this.#paired(peer, figure, 'direct', figure, (value, other) => value - other)
  }

  #paired(peer: string, figure: Figure, over: string, base: Figure, join: (a: number, b: number) => number) {
    const values: number[] = []
    for (const sample of this.of(peer)) {
      const other = this.of(over).find((candidate) => candidate.round === sample.round)
      const value = figure(sample)
      const otherValue = other && base(other)
      if (value !== undefined && otherValue !== undefined) values.push(join(value, otherValue))
    }
    return spreadOf(values)
  }
}

function isNumber(value: number | undefined): value is number {
  return value !== undefined && !Number.isNaN(value)
}
