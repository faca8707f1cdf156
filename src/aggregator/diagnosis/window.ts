/** The last seconds of a signature, as figures. */
import {
  CALLS,
  FAILED,
  LARGE,
  LARGE_STALLED,
  LOST,
  RECENT,
  RESENT,
  SECONDS,
  type Signature,
  UNSEEN,
  VISIBLE,
} from './signature.ts'

/** What is older says nothing of now. */
const LONGEST_S = 32

export interface Counts {
  calls: number
  failed: number
  visible: number
  lost: number
  /** Segments sent again. */
  resent: number
  large: number
  largeStalled: number
  unseen: number
  /** Seconds that they are of. */
  seconds: number
}

/** Counts of the last `least` seconds, and of more where they hold fewer calls than `enough`. */
export function countsOf(of: Signature, nowS: number, least: number, enough: number): Counts {
  const now = Math.floor(nowS)
  const none = { calls: 0, failed: 0, visible: 0, lost: 0, resent: 0 }
  const counts: Counts = { ...none, large: 0, largeStalled: 0, unseen: 0, seconds: 0 }
  for (let back = 0; back < SECONDS; back++) {
    if (back >= least && counts.calls >= enough) break
    counts.seconds++
    const at = of.countsAt(now - back)
    if (at < 0) continue
    counts.calls += of.u16[at + CALLS]!
    counts.failed += of.u16[at + FAILED]!
    counts.visible += of.u16[at + VISIBLE]!
    counts.lost += of.u16[at + LOST]!
    counts.resent += of.u16[at + RESENT]!
    counts.large += of.u16[at + LARGE]!
    counts.largeStalled += of.u16[at + LARGE_STALLED]!
    counts.unseen += of.u16[at + UNSEEN]!
  }
  return counts
}

/** Samples of a measure, rising: those of the last seconds, or the last `enough` where they are fewer. */
export function samplesOf(of: Signature, measure: number, nowS: number, seconds: number, enough: number): number[] {
  const found: number[] = []
  const before: (readonly [atS: number, value: number])[] = []
  for (let i = 0; i < RECENT; i++) {
    const atS = of.sampleAtS(i)
    if (atS === 0 || nowS - atS > LONGEST_S) continue
    if (nowS - atS <= seconds) found.push(of.sample(i, measure))
    else before.push([atS, of.sample(i, measure)])
  }
  if (found.length < enough) {
    before.sort((a, b) => b[0] - a[0])
    for (const [, value] of before.slice(0, enough - found.length)) found.push(value)
  }
  return found.sort((a, b) => a - b)
}

export function quantileOf(sorted: readonly number[], share: number): number {
  if (sorted.length === 0) return 0
  const at = share * (sorted.length - 1)
  const low = sorted[Math.floor(at)]!
  return low + (sorted[Math.ceil(at)]! - low) * (at - Math.floor(at))
}

/** Mean without the greatest tenth. */
export function trimmedMean(sorted: readonly number[]): number {
  const kept = Math.ceil(sorted.length * 0.9)
  let sum = 0
  for (let i = 0; i < kept; i++) sum += sorted[i]!
  return kept === 0 ? 0 : sum / kept
}
