/** Results of a range: which seeds may be used, how good the answers were, as lines and as JSON. */
import type { Incident, IncidentCause } from '../../src/aggregator/diagnosis/incidents.ts'
import { type Fault, type FaultKind, isNamed, isRight, seenAs } from './faults.ts'

/** Seeds from here on are kept for the report: nothing may be tuned on them. */
export const HELD_OUT = 2000
const NEVER = 99
/** Ranks count as no more than this in a mean. */
const WORST = 10
const IN_TIME_S = 10

export type SeedSet = 'tuning' | 'held-out'

/** Which set seeds are of. Throws where they are held out and no report is wanted, or of both. */
export function seedSet(first: number, count: number, report: boolean): SeedSet {
  const last = first + Math.max(1, count) - 1
  if (first < HELD_OUT !== last < HELD_OUT) throw new RangeError(`seeds ${first} to ${last} are of both sets`)
  if (first >= HELD_OUT && !report) throw new RangeError(`seeds from ${HELD_OUT} on are for the report: give --report`)
  if (first < HELD_OUT && report) throw new RangeError(`the report takes seeds from ${HELD_OUT} on`)
  return first < HELD_OUT ? 'tuning' : 'held-out'
}

export interface Result {
  readonly kind: FaultKind
  readonly seed: number
  readonly faults: readonly Fault[]
  /** Of the cause that names what is at fault, from 1; 99: none does. */
  readonly rank: number
  /** Seconds from onset until what is at fault was named first; null: it never was. */
  readonly delayS: number | null
  /** The first cause's name, and whether it fits the fault. */
  readonly named: string
  readonly isNamed: boolean
  /** The first three causes. */
  readonly told: readonly string[]
  readonly evidence: readonly string[]
  /** Ranks where a stretch of time with a wrong onset was asked for, by seconds. Of clocks nobody asks: a warning stands. */
  readonly shifted?: Readonly<Record<string, number>>
}

type Placed = Pick<IncidentCause, 'service' | 'from'>

/** By address, or by the proxy that stands for all that is behind it. */
const cleaned = ({ service, from }: Placed): Placed => ({ service: service.replace(/\.mesh$|-egress$/, ''), from })

/** Best rank of any of the faults. */
export function rankOf(causes: readonly Placed[], faults: readonly Fault[], bare: ReadonlySet<string>): number {
  const right = (cause: Placed): boolean =>
    faults.some((fault) => seenAs(fault, bare).some((seen) => isRight(cleaned(cause), seen)))
  const at = causes.findIndex(right)
  return at < 0 ? NEVER : at + 1
}

/** What is said while faults are on: the incident, or the warning where nothing but a clock is wrong. */
export function foundIn(
  incidents: readonly Incident[],
  onsetMs: number,
  faults: readonly Fault[],
): Incident | undefined {
  const hurts = faults.some(({ kind }) => kind !== 'clock-skew')
  const on = incidents.filter(({ closedMs }) => closedMs === null || closedMs >= onsetMs)
  return on.find(({ severity }) => severity === (hurts ? 'fault' : 'warning')) ?? on[0]
}

export interface Told {
  readonly kind: FaultKind
  readonly seed: number
  readonly faults: readonly Fault[]
  readonly onsetMs: number
  /** The newest that was open while the fault was on. */
  readonly incident: Incident | undefined
  /** When it first named what is at fault first. */
  readonly toldMs: number | undefined
  readonly bare: ReadonlySet<string>
  readonly shifted?: Readonly<Record<string, number>>
}

export function resultOf({ kind, seed, faults, onsetMs, incident, toldMs, bare, shifted }: Told): Result {
  const causes = incident?.causes ?? []
  const named = causes[0]?.diagnosis ?? ''
  return {
    ...{ kind, seed, faults, rank: rankOf(causes, faults, bare), named },
    delayS: toldMs === undefined ? null : (toldMs - onsetMs) / 1000,
    isNamed: faults.some((fault) => isNamed(fault.kind, named)),
    told: causes.slice(0, 3).map(({ text, weight }) => `${text} (${weight})`),
    evidence: causes.slice(0, 3).flatMap((cause) => cause.evidence),
    ...(shifted !== undefined && { shifted }),
  }
}

export interface Summary {
  readonly faults: number
  readonly top1: number
  readonly top3: number
  readonly meanRank: number
  /** First causes whose name fits the fault. */
  readonly named: number
  readonly delayS: { readonly middle: number; readonly p90: number; readonly most: number; readonly late: number }
  /** First causes that are right where the onset was wrong, by seconds; and how many were asked for. */
  readonly shifted: Readonly<Record<string, { readonly right: number; readonly asked: number }>>
}

export function summaryOf(results: readonly Result[]): Summary {
  const within = (rank: number): number => results.filter((one) => one.rank <= rank).length
  const delays = results.flatMap(({ delayS }) => delayS ?? []).sort((a, b) => a - b)
  const at = (share: number): number => delays[Math.min(delays.length - 1, Math.floor(delays.length * share))] ?? NaN
  const shifted: Record<string, { right: number; asked: number }> = {}
  for (const [by, rank] of results.flatMap((one) => Object.entries(one.shifted ?? {}))) {
    const { right, asked } = shifted[by] ?? { right: 0, asked: 0 }
    shifted[by] = { right: right + Number(rank === 1), asked: asked + 1 }
  }
  return {
    ...{ faults: results.length, top1: within(1), top3: within(3), shifted },
    meanRank: results.reduce((sum, { rank }) => sum + Math.min(rank, WORST), 0) / Math.max(1, results.length),
    named: results.filter((one) => one.isNamed).length,
    delayS: {
      ...{ middle: at(0.5), p90: at(0.9), most: at(1) },
      late: delays.filter((s) => s > IN_TIME_S).length,
    },
  }
}

const HEAD = 'kind           faults  top-1  top-3  mean  named  told after: middle   p90  most  over 10 s'

/** A table of kinds, with a line for all. */
export function table(results: readonly Result[]): string {
  const kinds = [...new Set(results.map(({ kind }) => kind))]
  const rows = kinds.map((kind) => row(kind, summaryOf(results.filter((one) => one.kind === kind))))
  const all = summaryOf(results)
  const shifted = Object.entries(all.shifted).map(
    ([by, { right, asked }]) => `${by} s: ${share(right, asked)} of ${asked}`,
  )
  const tail = shifted.length === 0 ? [] : [`top-1 with the onset wrong by ${shifted.join(', ')}`]
  return [HEAD, ...rows, row('all', all), ...tail].join('\n')
}

const share = (n: number, of: number): string => `${((n / Math.max(1, of)) * 100).toFixed(0)} %`

function row(name: string, { faults, top1, top3, meanRank, named, delayS }: Summary): string {
  const s = (seconds: number): string => (Number.isNaN(seconds) ? '–' : seconds.toFixed(1)).padStart(6)
  const shares = [top1, top3].map((n) => share(n, faults).padStart(7)).join('')
  const times = `${s(delayS.middle).padStart(19)}${s(delayS.p90)}${s(delayS.most)}${String(delayS.late).padStart(11)}`
  return `${name.padEnd(14)}${String(faults).padStart(7)}${shares}${meanRank.toFixed(2).padStart(6)}${share(named, faults).padStart(7)}${times}`
}
