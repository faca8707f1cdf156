/**
 * How far the last seconds of a place are from what is usual there, by robust z-scores: medians and quantiles, never
 * means and standard deviations, with what the small number of calls and the usual unrest between epochs let expect.
 */
import { MEASURES, OWN, RECENT, type Signature } from './signature.ts'
import { countsOf, quantileOf, samplesOf, trimmedMean } from './window.ts'

/** Learnt from fewer epochs or calls nothing is compared. */
const LEAST_EPOCHS = 3
const LEAST_CALLS = 40
const WINDOW_S = 6
/** Calls of a window at least; fewer, and it reaches further back. */
const ENOUGH = 8
/** From here on it deviates. */
export const ALARMING = 5
/** Less than this is no matter, whatever its z. */
const LEAST_EXCESS_US = 3000
const LEAST_TIMES = 1.3
const LEAST_FAILED = 3
/** Share of calls that is far beyond the usual on a good day, at most, and fewest of them that count. */
const RARE = 0.02
const LEAST_RARE = 4
/** A middle is sure to this share even where all was even. */
const FLOOR = 0.08
/** Middle half of a normal distribution in standard deviations. */
const IQR_OF_SIGMA = 1.349

export function isReady(signature: Signature): boolean {
  const { epochs, calls } = signature.learnt
  // Calls count those that were not sampled as well; what is usual is known by those that were seen.
  return epochs >= LEAST_EPOCHS && calls >= LEAST_CALLS && signature.usualSamples(OWN) >= LEAST_CALLS
}

export interface Failing {
  readonly z: number
  readonly calls: number
  readonly failed: number
  /** Failures over the usual that reached the first caller, a second. */
  readonly excess: number
  readonly usualShare: number
  readonly seconds: number
}

export function failing(of: Signature, nowS: number, hour: number): Failing | undefined {
  const counts = countsOf(of, nowS, WINDOW_S, ENOUGH)
  const { calls, failed, visible, seconds } = counts
  if (failed < LEAST_FAILED) return undefined
  const usualShare = of.usualFailing(hour, calls / seconds)
  const share = failed / calls
  const z = (share - usualShare) / Math.sqrt((usualShare * (1 - usualShare)) / calls)
  const over = Math.max(0, failed - usualShare * calls)
  // What a retry hid counts a little: it is a fault, and hurts few.
  const excess = (over * (0.15 + (0.85 * visible) / failed)) / seconds
  return { z, calls, failed, excess, usualShare, seconds }
}

export interface Slower {
  readonly z: number
  /** The middle rose, or only the spread did. */
  readonly kind: 'slow' | 'unsteady'
  readonly medianUs: number
  readonly p90Us: number
  readonly usualMedianUs: number
  readonly usualP90Us: number
  /** Of a call, over the usual, on average. */
  readonly excessUs: number
  readonly samples: number
  /** Calls a second. */
  readonly rate: number
}

export function slower(of: Signature, nowS: number, hour: number): Slower | undefined {
  const sorted = samplesOf(of, OWN, nowS, WINDOW_S, ENOUGH)
  const n = sorted.length
  if (n < ENOUGH) return undefined
  const counts = countsOf(of, nowS, WINDOW_S, ENOUGH)
  const rate = counts.calls / counts.seconds
  const expected = expectedMedian(of, hour, rate)
  const [medianUs, p90Us] = [quantileOf(sorted, 0.5), quantileOf(sorted, 0.9)]
  const usualP90Us = Math.max(of.usual(OWN, 0.9), expected)
  const spread = Math.log(Math.max(1, of.usual(OWN, 0.75)) / Math.max(1, of.usual(OWN, 0.25))) / IQR_OF_SIGMA
  const unrest = of.learnt.drift ** 2 * 2 + FLOOR ** 2
  // Standard errors of a median and of a ninth decile, of logarithms.
  const z50 = Math.log(Math.max(1, medianUs) / expected) / Math.sqrt((1.25 * spread) ** 2 / n + unrest)
  const tail = Math.max(spread, Math.log(usualP90Us / expected) / 1.28)
  const z90 = Math.log(Math.max(1, p90Us) / usualP90Us) / Math.sqrt((2.5 * tail) ** 2 / n + unrest)
  const steady = medianUs - expected > LEAST_EXCESS_US && medianUs > expected * LEAST_TIMES && z50 >= ALARMING
  const rare = rareCalls(sorted, of)
  const unsteady =
    (p90Us - usualP90Us > LEAST_EXCESS_US * 2 && p90Us > usualP90Us * 2 && z90 >= ALARMING) || rare.alarming
  if (!steady && !unsteady) return undefined
  const excessUs = steady ? Math.max(medianUs, trimmedMean(sorted)) - expected : rare.excessUs
  return {
    ...{ z: Math.max(z50, z90, rare.z), kind: steady ? ('slow' as const) : ('unsteady' as const), medianUs, p90Us },
    ...{
      usualMedianUs: expected,
      usualP90Us,
      excessUs: Math.max(excessUs, (p90Us - usualP90Us) / 10),
      samples: n,
      rate,
    },
  }
}

/** Calls far beyond what all but one in twenty take: more of them than chance gives. */
function rareCalls(sorted: readonly number[], of: Signature): { alarming: boolean; z: number; excessUs: number } {
  const usualUs = of.usual(OWN, 0.95)
  const far = Math.max(usualUs * 1.5, usualUs + LEAST_EXCESS_US * 2)
  const beyond = sorted.filter((us) => us > far)
  const n = sorted.length
  const z = (beyond.length / n - RARE) / Math.sqrt((RARE * (1 - RARE)) / n)
  const excessUs = beyond.reduce((sum, us) => sum + us - usualUs, 0) / n
  return { alarming: z >= ALARMING && beyond.length >= LEAST_RARE && excessUs > LEAST_EXCESS_US, z, excessUs }
}

/** The greatest of what is usual at all, at this hour and at this load: all three have to be exceeded. */
function expectedMedian(of: Signature, hour: number, rate: number): number {
  let expected = of.usual(OWN, 0.5)
  for (const log of [of.atHour(hour), of.atLoad(rate)]) {
    if (!Number.isNaN(log)) expected = Math.max(expected, Math.exp(log))
  }
  return Math.max(1, expected)
}

export interface PhaseExcess {
  readonly measure: (typeof MEASURES)[number]
  readonly excessUs: number
  /** Average a call, now. */
  readonly us: number
}

const FIRST_PHASE = 2

/** The phase that grew most, of a call on average; undefined where none did. */
export function grownPhase(of: Signature, nowS: number): PhaseExcess | undefined {
  let most: PhaseExcess | undefined
  const all = of.usualSamples(OWN)
  for (let measure = FIRST_PHASE; measure < MEASURES.length; measure++) {
    const us = trimmedMean(samplesOf(of, measure, nowS, WINDOW_S, ENOUGH))
    const usual = all === 0 ? 0 : (of.usual(measure, 0.5) * of.usualSamples(measure)) / all
    const excessUs = us - usual
    if (excessUs > (most?.excessUs ?? 0)) most = { measure: MEASURES[measure]!, excessUs, us }
  }
  return most
}

export interface Losing {
  readonly z: number
  /** Of exchanges, that had segments sent again. */
  readonly share: number
  /** Exchanges over the usual, a second. */
  readonly excess: number
  /** Segments sent again, a second. */
  readonly perSecond: number
  readonly usualPerSecond: number
}

/** Least rise of the rate, and segments of a window. */
const LOSS_TIMES = 3
const LEAST_RESENT = 6
/** Retransmits come in flights: their count varies more than that of single ones, by so much. */
const FLIGHTS = 4

/** Segments are sent again on far more exchanges than usual, and at a far higher rate; undefined where not. */
export function losing(of: Signature, nowS: number): Losing | undefined {
  const { calls, lost, resent, seconds } = countsOf(of, nowS, WINDOW_S, ENOUGH)
  if (lost < LEAST_FAILED || resent < LEAST_RESENT) return undefined
  const usual = (of.learnt.lost + 0.5) / (of.learnt.calls + 50)
  const share = lost / calls
  const z = (share - usual) / Math.sqrt((usual * (1 - usual)) / calls)
  const usualPerSecond = of.learnt.resentRate
  const expected = Math.max(usualPerSecond * seconds, 0.5)
  const rateZ = (resent - expected) / Math.sqrt(expected * FLIGHTS)
  if (z < ALARMING || rateZ < ALARMING || resent < expected * LOSS_TIMES) return undefined
  const excess = Math.max(0, lost - usual * calls) / seconds
  return { z: Math.min(z, rateZ), share, excess, perSecond: resent / seconds, usualPerSecond }
}

/** Calls of a window at least, of all sizes. */
const ENOUGH_OF_ALL_SIZES = 16
const FEWEST_LARGE = 3
const STALLING = 0.7
const PASSING = 0.2

/** Exchanges whose bodies take more than a packet stall, and small ones pass: counts of both, undefined where not. */
export function stallsBySize(
  of: Signature,
  nowS: number,
): { large: number; stalled: number; small: number } | undefined {
  const { calls, failed, large, largeStalled: stalled } = countsOf(of, nowS, WINDOW_S, ENOUGH_OF_ALL_SIZES)
  const small = calls - large
  if (stalled < FEWEST_LARGE || small < FEWEST_LARGE || stalled < large * STALLING) return undefined
  return Math.max(0, failed - stalled) > small * PASSING ? undefined : { large, stalled, small }
}

/** The phase that has most of what the slow ones among the last calls took over the usual; undefined where none has. */
export function phaseOfSlow(of: Signature, nowS: number): PhaseExcess | undefined {
  const usual = of.usual(OWN, 0.95)
  const excesses = MEASURES.map(() => 0)
  let slow = 0
  for (let i = 0; i < RECENT; i++) {
    const atS = of.sampleAtS(i)
    if (atS === 0 || nowS - atS > WINDOW_S || of.sample(i, OWN) <= usual + LEAST_EXCESS_US) continue
    slow++
    excesses[OWN]! += of.sample(i, OWN) - usual
    for (let measure = FIRST_PHASE; measure < MEASURES.length; measure++) {
      excesses[measure]! += Math.max(0, of.sample(i, measure) - of.usual(measure, 0.5))
    }
  }
  const most = Math.max(...excesses.slice(FIRST_PHASE))
  if (slow === 0 || most <= excesses[OWN]! / 2) return undefined
  const measure = MEASURES[excesses.indexOf(most, FIRST_PHASE)]!
  return { measure, excessUs: most / slow, us: most / slow }
}
