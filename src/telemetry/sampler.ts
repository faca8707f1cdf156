/** Whether a trace is exported, decided once at its root and followed by everyone after (OpenTelemetry SDK, Sampler). */

/** `parentFlags`: trace-flags of the caller, undefined at a root. `traceId`: 32 hex characters. */
export type Sampler = (parentFlags: number | undefined, traceId: string) => boolean

export interface SamplerOptions {
  /** Share of traces, 0 … 1. */
  readonly ratio: number
  /** Follow the caller's decision; the ratio is for roots then. */
  readonly parentBased: boolean
}

const SAMPLED = 1
/** Of the 56 random bits of a trace id (W3C level 2), in its last 14 characters. */
const RANDOM_FROM = 18
const RANDOM_SPAN = 2 ** 56

/**
 * A sampler by ratio. It keeps a trace where the random bits of its id are at or over `(1 - ratio) * 2^56`
 * (consistent probability sampling): every instance with the same ratio keeps the same traces, and one with a higher
 * ratio keeps those and more.
 */
export function createSampler(options: SamplerOptions): Sampler {
  const byRatio = ratioSampler(options.ratio)
  if (!options.parentBased) return (_parentFlags, traceId) => byRatio(traceId)
  return (parentFlags, traceId) => (parentFlags === undefined ? byRatio(traceId) : (parentFlags & SAMPLED) !== 0)
}

function ratioSampler(ratio: number): (traceId: string) => boolean {
  if (!(ratio > 0)) return () => false
  if (ratio >= 1) return () => true
  const threshold = (1 - ratio) * RANDOM_SPAN
  return (traceId) => Number.parseInt(traceId.slice(RANDOM_FROM), 16) >= threshold
}
