/**
 * Whether a trace is exported, decided once at its root and followed by everyone after: consistent probability sampling
 * (OpenTelemetry, tracestate-probability-sampling.md). Sidecars with the same ratio keep the same traces, and one with a
 * higher ratio keeps those and more. What was kept by a ratio below 1 says so in its tracestate, `ot=th:…`.
 */
import {
  isConsistent,
  paddedThreshold,
  probabilityOf,
  randomnessOf,
  readOt,
  thresholdOf,
  withThreshold,
} from '../core/sampling.ts'

/**
 * `parentFlags`: trace-flags of the caller, undefined at a root. `traceId`: 32 hex characters. `state`: tracestate that
 * came along; its `rv` counts before the id.
 */
export type Sampler = (parentFlags: number | undefined, traceId: string, state?: string) => boolean

export interface SamplerOptions {
  /** Share of traces, 0 … 1. */
  readonly ratio: number
  /** Follow the caller's decision; the ratio is for roots then. */
  readonly parentBased: boolean
}

const SAMPLED = 1

/** A ratio that may change while it is in use: by settings, or by the governor. */
export class HeadSampler {
  #parentBased = true
  #ratio = 1
  /** Of the least randomness that is kept, 14 digits; '' where none is. */
  #least = ''
  #th = '0'

  constructor(options: SamplerOptions) {
    this.configure(options)
  }

  configure({ ratio, parentBased }: SamplerOptions): void {
    this.#parentBased = parentBased
    const keepsAny = ratio > 0
    this.#th = keepsAny ? thresholdOf(ratio) : ''
    this.#least = keepsAny ? paddedThreshold(this.#th) : ''
    this.#ratio = keepsAny ? probabilityOf(this.#th) : 0
  }

  /** The share of new traces that is kept now, as the threshold has it. */
  get ratio(): number {
    return this.#ratio
  }

  readonly sample: Sampler = (parentFlags, traceId, state) => {
    if (parentFlags !== undefined && this.#parentBased) return (parentFlags & SAMPLED) !== 0
    if (this.#ratio >= 1) return true
    if (this.#ratio <= 0) return false
    const rv = state === undefined || state === '' ? undefined : readOt(state).rv
    return (rv ?? randomnessOf(traceId)) >= this.#least
  }

  /**
   * The tracestate of a trace that {@link sample} was asked of, with the threshold it was kept by. Who follows a caller
   * passes on the caller's, without a threshold that cannot be right. All being kept goes without saying: a tracestate on
   * every request would cost more than it tells.
   */
  readonly stateOf = (parentFlags: number | undefined, traceId: string, state: string, sampled: boolean): string => {
    if (parentFlags === undefined || !this.#parentBased) {
      if (this.#th === '0' && !state.includes('ot=')) return state
      return withThreshold(state, sampled ? this.#th : '')
    }
    if (!state.includes('ot=')) return state
    return sampled === isConsistent(state, traceId) || readOt(state).th === undefined ? state : withThreshold(state, '')
  }
}

/**
 * The tracestate of a span that is exported whether its trace is sampled or not, a failed or slow one: it stands for
 * itself alone, by whatever share the others of its trace were kept.
 */
export function stateOfKept(trace: { readonly state: string }, sampled: boolean): string {
  return sampled && !trace.state.includes('ot=') ? trace.state : withThreshold(trace.state, '0')
}

/** A sampler whose ratio stays. */
export function createSampler(options: SamplerOptions): Sampler {
  return new HeadSampler(options).sample
}
