/**
 * A stretch of time that somebody asks for, diagnosed as if it had been watched: its spans against what is usual, second by
 * second, and the causes ranked by their harm over all of it. What was well before a fault adds nothing to that, and a
 * fault that is on from the first second is compared all the same: where the stretch begins does not matter much.
 */
import type { Names } from '../intake/names.ts'
import type { SegmentView } from '../intake/segment.ts'
import type { IncidentCause } from './incidents.ts'
import { Learning } from './learning.ts'
import { Signature } from './signature.ts'
import { type Entry, type PlaceKind, SERVED, Signatures } from './signatures.ts'
import { Judge, type Load, look, type Sight, type Suspect } from './suspects.ts'
import { TraceWindow } from './trace-window.ts'
import { countsOf } from './window.ts'

/** What a look back works with; none of it is changed. */
export interface Known {
  readonly names: Names
  readonly signatures: Signatures
  readonly roots: Signature
  /** What requests usually take, microseconds. */
  readonly usualUs: number
  /** Hour of the day, UTC. */
  readonly hour: number
  readonly servedBy: (peer: number) => number | undefined
}

const QUIET_S = 15
const MAX_CAUSES = 6
/** Harm of less than this in every second: nothing was the matter. */
const LEAST_HARM = 0.02
/** Seconds that are let pass at the end, for traces to go quiet. */
const LAST_S = 4
const NOTHING: readonly number[] = []

/** Places as they come up, each with what is usual there. */
class Borrowed extends Signatures {
  readonly #usual: Signatures

  constructor(usual: Signatures) {
    super()
    this.#usual = usual
  }

  override at(kind: PlaceKind, service: number, other: number): Entry | undefined {
    const known = this.find(kind, service, other)
    if (known !== undefined) return known
    const made = super.at(kind, service, other)
    const usual = this.#usual.find(kind, service, other)
    if (made === undefined || usual === undefined) return made
    made.signature.takeUsual(usual.signature)
    made.callee = usual.callee
    made.notableUs = usual.notableUs
    return made
  }
}

export class Retrospect {
  readonly #known: Known
  readonly #signatures: Borrowed
  readonly #window: TraceWindow
  readonly #learning: Learning
  readonly #judge: Judge
  readonly #roots = new Signature()
  readonly #suspects = new Map<string, { suspect: Suspect; sum: number; most: number }>()
  #lastS = 0

  constructor(known: Known) {
    this.#known = known
    this.#signatures = new Borrowed(known.signatures)
    this.#window = new TraceWindow((peer) => known.servedBy(peer) !== undefined)
    this.#roots.takeUsual(known.roots)
    this.#learning = new Learning(known.names, this.#signatures, ({ durationUs, failed, weight }, nowS) => {
      const times = { ownUs: durationUs, totalUs: durationUs, phases: NOTHING }
      this.#roots.add({ ...times, failure: failed ? 1 : 0, visible: failed, weight }, nowS)
    })
    this.#judge = new Judge((name) => known.names.text(name), known.servedBy)
  }

  /** Rows from `from` up to `to`, which came at `nowS`, seconds by any clock above 0; rising. */
  add(view: SegmentView, from: number, to: number, nowS: number): void {
    this.#pass(nowS)
    this.#window.add(view, to, nowS, from)
  }

  /** The likeliest first; empty: nothing was the matter. */
  causes(): IncidentCause[] {
    if (this.#lastS > 0) this.#pass(this.#lastS + LAST_S)
    const all = [...this.#suspects.values()].filter(({ most }) => most >= LEAST_HARM / 2).sort((a, b) => b.sum - a.sum)
    const total = all.reduce((sum, one) => sum + one.sum, 0)
    if (!all.some(({ most }) => most >= LEAST_HARM)) return []
    return all.slice(0, MAX_CAUSES).map(({ suspect: { key: _, harm: _harm, ...cause }, sum }) => ({
      ...cause,
      z: Math.round(cause.z * 10) / 10,
      weight: Math.round((sum / total) * 1000) / 1000,
    }))
  }

  #pass(nowS: number): void {
    if (this.#lastS === 0) this.#lastS = nowS
    // Long silence needs no looks.
    this.#lastS = Math.max(this.#lastS, nowS - QUIET_S * 2)
    while (this.#lastS + 1 <= nowS) this.#tick(++this.#lastS)
  }

  #tick(nowS: number): void {
    for (const trace of this.#window.quiet(nowS)) this.#learning.take(trace, nowS)
    const sights: Sight[] = []
    for (const entry of this.#signatures) {
      if (nowS - entry.signature.lastS > QUIET_S) continue
      entry.signature.pace(countsOf(entry.signature, nowS, 6, 0).calls)
      const sight = look(entry, nowS, this.#known.hour)
      if (sight !== undefined) sights.push(sight)
    }
    if (sights.length === 0) return
    const routes = (service: number): number => this.#routesOf(service)
    for (const suspect of this.#judge.rank(sights, this.#load(nowS), nowS, routes)) this.#count(suspect)
  }

  #count(suspect: Suspect): void {
    const known = this.#suspects.get(suspect.key)
    if (known === undefined) {
      this.#suspects.set(suspect.key, { suspect, sum: suspect.harm, most: suspect.harm })
      return
    }
    known.sum += suspect.harm
    if (suspect.harm > known.most) known.suspect = suspect
    known.most = Math.max(known.most, suspect.harm)
  }

  #load(nowS: number): Load {
    const { calls, seconds } = countsOf(this.#roots, nowS, 6, 8)
    const { usualUs, roots } = this.#known
    return { perSecond: calls / seconds, usualPerSecond: roots.learnt.rate, usualUs }
  }

  #routesOf(service: number): number {
    let routes = 0
    for (const entry of this.#signatures) if (entry.kind === SERVED && entry.service === service) routes++
    return routes
  }
}
