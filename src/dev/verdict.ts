/** What a trace comes to: whether it went well, and which hop is to blame where it did not. Pure. */
import type { Hop } from './hops.ts'
import type { BarPart } from './style.ts'

export interface Verdict {
  readonly kind: 'good' | 'failed' | 'slow'
  /** The hop to look at, undefined where all went well. */
  readonly culprit: Hop | undefined
  /** The caller that answered well although the culprit failed. */
  readonly coped: Hop | undefined
}

/**
 * Of the failed hops, the one that failed by itself: none below it failed. Else, of the hops that took `slowUs` or more
 * by themselves, the one that took longest. `hops` hold parents before children.
 */
export function judge(hops: readonly Hop[], slowUs: number): Verdict {
  const calls = hops.filter(({ gap, attempt }) => !gap && attempt === 0)
  const blamesBelow = new Set(calls.filter(({ failed }) => failed).map(callerOf))
  const culprit = calls.find((hop) => hop.failed && !blamesBelow.has(hop))
  if (culprit !== undefined) return { kind: 'failed', culprit, coped: coperOf(culprit) }
  const slowest = slowestOf(calls)
  if (slowest !== undefined && slowest.ownUs >= slowUs) return { kind: 'slow', culprit: slowest, coped: undefined }
  return { kind: 'good', culprit: undefined, coped: undefined }
}

/** Tries are of the hop above them. */
function callerOf({ parent }: Hop): Hop | undefined {
  return parent !== undefined && parent.attempt > 0 ? parent.parent : parent
}

function coperOf(culprit: Hop): Hop | undefined {
  for (let above = callerOf(culprit); above !== undefined; above = callerOf(above)) {
    if (!above.failed && !above.gap) return above
  }
  return undefined
}

function slowestOf(hops: readonly Hop[]): Hop | undefined {
  let slowest: Hop | undefined
  for (const hop of hops) if (slowest === undefined || hop.ownUs > slowest.ownUs) slowest = hop
  return slowest
}

/** The phase, other than waiting for the answer, that took most of a hop's own time; undefined where none did. */
export function heaviestPhase({ parts, ownUs }: Hop): BarPart | undefined {
  return parts.find(({ part, us }) => part !== 'wait' && part !== 'span' && us > ownUs / 2)?.part
}
