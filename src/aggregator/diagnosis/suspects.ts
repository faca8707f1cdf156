/** Places that deviate → causes with evidence, ranked by how much of what first callers suffer they explain. */
import type { DiagnosisName } from '../../core/diagnoses.ts'
import type { Beat } from './bursts.ts'
import {
  ALARMING,
  type Failing,
  failing,
  grownPhase,
  isReady,
  type Losing,
  losing,
  phaseOfSlow,
  type Slower,
  slower,
  stallsBySize,
} from './deviation.ts'
import type { Cause } from './diagnosis.ts'
import { DIAGNOSIS_NAMES } from './learning.ts'
import type { Noisy } from './noisy-client.ts'
import { FAILURES } from './signature.ts'
import { CALL, type Entry } from './signatures.ts'
import { nameSlowness } from './slowness.ts'
import { causeAt, microseconds, type Place, percent } from './words.ts'

export interface Suspect extends Cause {
  /** Names it over time. */
  readonly key: string
  /** Harm over the usual: of requests that came in, as failures or as their usual time. */
  readonly harm: number
  readonly z: number
  readonly traceIds: readonly string[]
}

export interface Load {
  /** Requests that came in, a second. */
  readonly perSecond: number
  readonly usualPerSecond: number
  /** What they usually take, microseconds. */
  readonly usualUs: number
}

/** What one place shows. */
export interface Sight {
  readonly entry: Entry
  readonly failing: Failing | undefined
  readonly slower: Slower | undefined
  readonly losing: Losing | undefined
}

/** What is left of counts after a second. */
const FADES = 0.9
/** Deviations in a row that it takes. */
const STREAK = 2
/** So many times the usual calls for the same requests are a storm. */
const STORM = 1.8

/** Looks at a place, and keeps what it saw for the next look; undefined where nothing is the matter for sure. */
export function look(entry: Entry, nowS: number, hour: number): Sight | undefined {
  const { signature } = entry
  entry.failures *= FADES
  entry.explained *= FADES
  if (!isReady(signature)) return undefined
  const failed = failing(signature, nowS, hour)
  const bad = failed !== undefined && failed.z >= ALARMING && failed.failed > failed.usualShare * failed.calls * 1.5
  const slow = slower(signature, nowS, hour)
  const lossy = losing(signature, nowS)
  if (!bad && slow === undefined && lossy === undefined) {
    entry.streak = 0
    return undefined
  }
  entry.deviated = true
  entry.streak++
  if (entry.streak < STREAK) return undefined
  return { entry, failing: bad ? failed : undefined, slower: slow, losing: lossy }
}

/** What is known beyond the places that deviate. */
export interface Around {
  noisyClient(service: number, nowS: number): Noisy | undefined
  beatOf(service: number): Beat | undefined
}

const NOTHING_AROUND: Around = { noisyClient: () => undefined, beatOf: () => undefined }
/** What too many calls do to a service. */
const CROWDED: ReadonlySet<DiagnosisName> = new Set<DiagnosisName>([
  ...([
    'slow_service',
    'unsteady_service',
    'slow_dependency',
    'network_slow',
    'network_jitter',
    'pool_exhausted',
  ] as const),
  ...(['overloaded', 'rate_limited', 'upstream_timeout', 'server_error', 'dependency_failing'] as const),
])
const BEATING: ReadonlySet<DiagnosisName> = new Set<DiagnosisName>(['slow_service', 'unsteady_service'])

export class Judge {
  readonly #text: (name: number) => string
  readonly #servedBy: (peer: number) => number | undefined
  readonly #around: Around

  constructor(
    text: (name: number) => string,
    servedBy: (peer: number) => number | undefined,
    around: Around = NOTHING_AROUND,
  ) {
    this.#around = around
    this.#text = text
    this.#servedBy = servedBy
  }

  /** The worst first. Routes of one service are one suspect, and so are calls of several to the same. */
  rank(sights: readonly Sight[], load: Load, nowS: number, routesOf: (service: number) => number): Suspect[] {
    const groups = new Map<string, Sight[]>()
    for (const sight of sights) {
      const key = `${sight.entry.kind} ${this.#at(sight.entry)}`
      groups.set(key, [...(groups.get(key) ?? []), sight])
    }
    const suspects = [...groups.values()].map((group) => this.#suspect(group, load, nowS, routesOf))
    const all = suspects.reduce((sum, { harm }) => sum + harm, 0)
    return suspects
      .map((one) => ({ ...one, weight: Math.round((one.harm / Math.max(all, 1e-9)) * 1000) / 1000 }))
      .sort((a, b) => b.harm - a.harm)
  }

  /** The service that a place is of; of a call, the one called. */
  #at({ kind, service, other, callee }: Entry): number {
    return kind === CALL ? callee || (this.#servedBy(other) ?? other) : service
  }

  #suspect(group: readonly Sight[], load: Load, nowS: number, routesOf: (service: number) => number): Suspect {
    const harmOf = (sight: Sight): number => harm(sight, load)
    const sorted = [...group].sort((a, b) => harmOf(b) - harmOf(a))
    const worst = sorted[0]!
    const { entry } = worst
    const isCall = entry.kind === CALL
    const storm = stormTimes(worst, load)
    const plain = nameOf(worst, nowS)
    const noisy = CROWDED.has(plain) || storm > 0 ? this.#around.noisyClient(this.#at(entry), nowS) : undefined
    const beat = BEATING.has(plain) && !isCall ? this.#around.beatOf(entry.service) : undefined
    const name = noisy !== undefined ? 'noisy_client' : storm > 0 ? 'retry_storm' : beat ? 'periodic_pauses' : plain
    const one = sorted.length === 1
    const place: Place = {
      service: this.#text(name === 'proxy_slow' ? entry.service : this.#at(entry)),
      from: isCall && name !== 'proxy_slow' ? (one ? this.#text(entry.service) : `${sorted.length} callers`) : '',
      route: !isCall && one && routesOf(entry.service) > 1 ? this.#text(entry.other) : '',
    }
    if (noisy !== undefined) Object.assign(place, { from: this.#text(noisy.client), route: '' })
    const evidence = sorted.slice(0, 3).flatMap((sight) => this.#evidence(sight, nowS))
    if (noisy !== undefined) evidence.unshift(noisyText(noisy, this.#text(noisy.client)))
    else if (storm > 0) evidence.push(`${storm.toFixed(1)} times as many calls as usual, of as many requests`)
    if (name === 'periodic_pauses') evidence.unshift(beatText(beat!))
    const total = sorted.reduce((sum, sight) => sum + harmOf(sight), 0)
    return {
      ...causeAt(name, place, evidence, 0),
      ...{ key: `${entry.kind} ${this.#at(entry)}`, harm: total },
      z: Math.max(
        ...sorted.map(({ failing, slower, losing }) => Math.max(failing?.z ?? 0, slower?.z ?? 0, losing?.z ?? 0)),
      ),
      traceIds: [...new Set(sorted.flatMap(({ entry }) => entry.signature.examples()))].slice(0, 5),
    }
  }

  #evidence({ entry, failing, slower, losing }: Sight, nowS: number): string[] {
    const { kind, service, other, signature } = entry
    const what =
      kind === CALL
        ? `calls of ${this.#text(service)} to ${this.#text(other)}`
        : `${this.#text(service)} ${this.#text(other)}`
    const said: string[] = []
    if (failing !== undefined) {
      const { failed, calls, seconds, usualShare } = failing
      said.push(
        `${what}: ${failed} of ${calls} failed there in ${seconds} s (${percent(failed / calls)}; usual ${percent(usualShare)}), ${failureNames(entry)}`,
      )
    }
    if (slower !== undefined) said.push(`${what}: ${slowText(slower, kind === CALL)}`)
    const phase = slower === undefined ? undefined : grownPhase(signature, nowS)
    const ofSlow = slower?.kind === 'unsteady' ? phaseOfSlow(signature, nowS) : undefined
    if (ofSlow !== undefined) said.push(`of the slow ones ${microseconds(ofSlow.us)} each in ${ofSlow.measure}`)
    else if (phase !== undefined && phase.excessUs > slower!.excessUs / 2) {
      said.push(`${microseconds(phase.us)} of it in ${phase.measure}`)
    }
    if (losing !== undefined) {
      const { share, perSecond, usualPerSecond } = losing
      const rate = `${perSecond.toFixed(1)} segments a second (usual ${usualPerSecond.toFixed(1)})`
      said.push(`${what}: TCP segments were sent again on ${percent(share)} of them, ${rate}`)
    }
    const sizes = kind === CALL ? stallsBySize(signature, nowS) : undefined
    if (sizes !== undefined) {
      said.push(
        `of ${sizes.large} with more than 1,300 bytes ${sizes.stalled} stalled; ${sizes.small} smaller ones passed`,
      )
    }
    return said
  }
}

/** What a segment that is sent again costs, where the time of the calls does not tell. */
const RESENT_US = 40_000

function harm({ entry, failing, slower, losing }: Sight, { perSecond, usualUs }: Load): number {
  // Where most failures turn out to be another's when the rest of the trace comes, those of now will too, and their time.
  const own = failing === undefined ? 1 : 1 - Math.min(1, entry.explained / Math.max(1, entry.failures))
  const failures = (failing?.excess ?? 0) / Math.max(0.1, perSecond)
  const lostUs = slower === undefined && losing !== undefined ? losing.excess * RESENT_US : 0
  const time = (slower === undefined ? lostUs : slower.excessUs * slower.rate) / Math.max(0.1, perSecond)
  return (failures + Math.min(1, time / (usualUs + 50_000))) * own
}

/** Failures by which an exchange that stalls ends. */
const STALLING: ReadonlySet<DiagnosisName> = new Set<DiagnosisName>([
  ...(['upstream_timeout', 'blackhole', 'deadline_exceeded', 'connection_reset'] as const),
])

function nameOf(sight: Sight, nowS: number): DiagnosisName {
  const { entry, failing, slower, losing } = sight
  const { signature } = entry
  const isCall = entry.kind === CALL
  const failure = failing === undefined ? undefined : mainFailure(entry)
  if (isCall && (failure === undefined || STALLING.has(failure)) && stallsBySize(signature, nowS) !== undefined) {
    return 'mtu_black_hole'
  }
  // Most calls to something untraced end so: more is not known of it.
  const mostly = failing !== undefined && failing.failed > failing.calls / 2
  if (failure === 'upstream_timeout' && isCall && entry.callee === 0 && mostly) return failure
  if (failure !== undefined && (failure !== 'upstream_timeout' || slower === undefined)) {
    return failure === 'upstream_timeout' && !isCall ? 'slow_service' : failure
  }
  if (losing !== undefined) return 'retransmissions'
  if (slower === undefined) return 'server_error'
  const ofSlow = phaseOfSlow(signature, nowS)
  if (ofSlow?.measure === 'self') return 'proxy_slow'
  // What hits some of the calls shows in those, and not in all.
  const phase = slower.kind === 'unsteady' ? (ofSlow ?? grownPhase(signature, nowS)) : grownPhase(signature, nowS)
  const excessUs = slower.kind === 'unsteady' && ofSlow !== undefined ? ofSlow.excessUs : slower.excessUs
  const named = nameSlowness({
    ...{ isCall, unseen: isCall && entry.callee === 0, excessUs },
    phases:
      phase === undefined || phase.measure === 'self' || phase.measure === 'own' || phase.measure === 'total'
        ? []
        : [{ phase: phase.measure, excessUs: phase.excessUs }],
    selfExcessUs: phase?.measure === 'self' ? phase.excessUs : 0,
  }).diagnosis
  if (slower.kind === 'slow') return named
  return named === 'slow_service' ? 'unsteady_service' : named === 'network_slow' ? 'network_jitter' : named
}

/** How many times more calls than usual a failing place gets of as many requests; 0 where it does not. */
function stormTimes({ entry, failing }: Sight, { perSecond, usualPerSecond }: Load): number {
  const { rate } = entry.signature.learnt
  if (failing === undefined || rate === 0 || usualPerSecond === 0) return 0
  const times = failing.calls / failing.seconds / rate / Math.max(1, perSecond / usualPerSecond)
  return times >= STORM ? times : 0
}

/** The name that most of the last failures have. */
function mainFailure({ signature }: Entry): DiagnosisName | undefined {
  let [name, most] = [0, 0]
  for (let i = 0; i < FAILURES; i++) {
    const [one, count] = signature.failure(i)
    if (count > most) [name, most] = [one, count]
  }
  return DIAGNOSIS_NAMES[name - 1]
}

function failureNames({ signature }: Entry): string {
  const named: [string, number][] = []
  for (let i = 0; i < FAILURES; i++) {
    const [name, count] = signature.failure(i)
    if (name !== 0 && count >= 1) named.push([DIAGNOSIS_NAMES[name - 1]!, count])
  }
  return named
    .sort((a, b) => b[1] - a[1])
    .map(([name]) => name)
    .join(', ')
}

function slowText({ kind, medianUs, p90Us, usualMedianUs, usualP90Us, z, samples }: Slower, isCall: boolean): string {
  const own = isCall ? 'on the way' : 'by itself'
  const middle = `the middle is ${microseconds(medianUs)} ${own} (usual ${microseconds(usualMedianUs)})`
  const tail = `one in ten takes over ${microseconds(p90Us)} (usual ${microseconds(usualP90Us)})`
  const sure = `z ${z.toFixed(1)} of ${samples} calls`
  return kind === 'slow' ? `${middle}; ${tail}; ${sure}` : `${tail}, ${middle}; ${sure}`
}

function noisyText({ perSecond, usualPerSecond, share, others }: Noisy, client: string): string {
  const usual = usualPerSecond > 0 ? `usual ${usualPerSecond.toFixed(1)}` : 'it did not call before'
  return `${client} calls it ${perSecond.toFixed(1)} times a second (${usual}), ${percent(share)} of all; ${others} other callers call as ever`
}

function beatText({ everyS, pauses, longestUs }: Beat): string {
  return `its slow requests end together every ${everyS.toFixed(1)} s, ${pauses} times so far, held up for ${microseconds(longestUs)} at most`
}
