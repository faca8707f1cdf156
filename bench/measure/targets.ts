/** What issue 2 wants of Hopscope with everything on, beside what was measured. */
import { cpuDataThread, cpuWhole, PhaseResults, p99, perSecond, punctualShare, rss } from './results.ts'
import type { Sample } from './sample.ts'

/** One target; `measured` is undefined when the run left out what it needs. */
export interface Target {
  readonly text: string
  readonly measured: number | undefined
  readonly shown: string
  readonly isReached: boolean | undefined
}

const SUBJECT = 'hopscope'
const HANGING = 'hopscope-hang'
/** As the subject is, in a process of its own. */
const AGAIN = 'hopscope-again'

/** All targets, in the order of the issue. */
export function judge(samples: readonly Sample[]): Target[] {
  const small = new PhaseResults(samples, 'small', 'saturation')
  const fixed = new PhaseResults(samples, 'small', 'fixed')
  const big = new PhaseResults(samples, '1m', 'saturation')
  const memory = new PhaseResults(samples, 'small', 'memory')
  const hangData = small.ratio(HANGING, cpuDataThread, SUBJECT)?.median
  const itself = percentOff(small.ratio(AGAIN, cpuDataThread, SUBJECT)?.median, Math.abs)
  const hangWhole = small.ratio(HANGING, cpuWhole, SUBJECT)?.median
  const added = fixed.added(SUBJECT, p99)?.median
  const nginxAdded = fixed.added('nginx', p99)?.median
  const isUsable = added !== undefined && nginxAdded !== undefined && nginxAdded > 0 && !isNoisy(fixed)
  const addedRatio = isUsable ? added / nginxAdded : undefined
  const spans = spanTotals(samples)
  const times = (value: number): string => `${value.toFixed(2)} x`
  return [
    most(
      'small bodies: CPU of the data thread <= 1.6 x nginx',
      small.ratio(SUBJECT, cpuDataThread, 'nginx', cpuWhole)?.median,
      1.6,
      times,
    ),
    most(
      'small bodies: CPU of the whole process <= 2.0 x nginx',
      small.ratio(SUBJECT, cpuWhole, 'nginx')?.median,
      2,
      times,
    ),
    most(
      '1 MiB bodies: CPU of the whole process <= 2.0 x nginx',
      big.ratio(SUBJECT, cpuWhole, 'nginx')?.median,
      2,
      times,
    ),
    most(
      'small bodies: CPU of the whole process <= 0.5 x http2-proxy',
      small.ratio(SUBJECT, cpuWhole, 'http2-proxy')?.median,
      0.5,
      times,
    ),
    least(
      '40,000 requests a second on one core',
      small.spread(SUBJECT, perSecond)?.median,
      40_000,
      (value) => `${Math.round(value)}/s`,
    ),
    most("p99 added at 5,000/s <= 1.5 x nginx's", addedRatio, 1.5, times),
    most(
      'under 128 MiB at 1,000 connections',
      memory.spread(SUBJECT, rss)?.max,
      128,
      (value) => `${value.toFixed(0)} MiB`,
    ),
    beside(
      itself,
      most('hanging collector: CPU of the data thread changes by < 5 %', percentOff(hangData, Math.abs), 5, percent),
    ),
    // Exports that are never sent cost less than acknowledged ones: for the whole process only a rise is a fault.
    most('hanging collector: CPU of the whole process rises by < 5 %', percentOff(hangWhole), 5, percent),
    most('every span acknowledged (spans lost)', spans?.lost, 0, (value) => `${value} of ${spans?.requests}`),
  ]
}

/** Of less than this share of the time nothing is said: what is left is too little for a 99th percentile. */
const ENOUGH = 0.25

/** Whether a fixed-rate phase says more about the load generator than about the peers. */
export function isNoisy(fixed: PhaseResults): boolean {
  return fixed.peers.some((peer) => (fixed.spread(peer, punctualShare)?.median ?? 1) < ENOUGH)
}

function percentOff(ratio: number | undefined, sign: (value: number) => number = (value) => value): number | undefined {
  return ratio === undefined ? undefined : sign((ratio - 1) * 100)
}

/** A change by percent, beside what the same proxy differs from itself: where that is as much, nothing can be said. */
function beside(itself: number | undefined, change: Target): Target {
  if (itself === undefined || change.measured === undefined) return change
  const shown = `${change.shown} (itself: ${percent(itself)})`
  return { ...change, shown, isReached: itself < 5 ? change.isReached : undefined }
}

function percent(value: number): string {
  return `${value.toFixed(1)} %`
}

/** Spans over all samples: distinct ones acknowledged against requests answered. undefined without a collector. */
export function spanTotals(
  samples: readonly Sample[],
): { requests: number; acknowledged: number; distinct: number; lost: number; extra: number } | undefined {
  const balances = samples.flatMap((sample) => (sample.spans === undefined ? [] : [sample.spans]))
  if (balances.length === 0) return undefined
  const totals = { requests: 0, acknowledged: 0, distinct: 0, lost: 0, extra: 0 }
  for (const balance of balances) {
    totals.requests += balance.atLeast
    totals.acknowledged += balance.acknowledged
    totals.distinct += balance.distinct
    totals.lost += Math.max(0, balance.atLeast - balance.distinct)
    totals.extra += Math.max(0, balance.acknowledged - balance.atMost)
  }
  return totals
}

/** A target that is reached by `limit` and less. */
export function most(
  text: string,
  measured: number | undefined,
  limit: number,
  show: (value: number) => string,
): Target {
  return target(text, measured, show, (value) => value <= limit)
}

/** A target that is reached by `limit` and more. */
export function least(
  text: string,
  measured: number | undefined,
  limit: number,
  show: (value: number) => string,
): Target {
  return target(text, measured, show, (value) => value >= limit)
}

function target(
  text: string,
  measured: number | undefined,
  show: (value: number) => string,
  ok: (value: number) => boolean,
): Target {
  if (measured === undefined) return { text, measured, shown: '-', isReached: undefined }
  return { text, measured, shown: show(measured), isReached: ok(measured) }
}
