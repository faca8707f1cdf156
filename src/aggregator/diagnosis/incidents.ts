/** Incidents: opened when places deviate for sure, closed when all is as usual again; the last ones are kept. */
import type { Cause } from './diagnosis.ts'
import type { Suspect } from './suspects.ts'

export interface IncidentCause extends Cause {
  /** Traces that show it. */
  readonly traceIds: readonly string[]
  readonly z: number
}

export interface Incident {
  readonly id: string
  /** `fault`: requests fail or are slow; `warning`: nothing is hurt yet, or what is known of it suffers. */
  readonly severity: 'fault' | 'warning'
  /** Of a warning: what names it over time, and how long it stands without being seen. */
  readonly key?: string
  readonly keepMs?: number
  readonly state: 'open' | 'closed'
  /** Milliseconds since the epoch: when it began as far as can be told, when it was said, when all was well again (null: not yet). */
  readonly onsetMs: number
  readonly openedMs: number
  readonly closedMs: number | null
  /** One sentence. */
  readonly summary: string
  /** The likeliest first. */
  readonly causes: readonly IncidentCause[]
  /** What was said when. */
  readonly timeline: readonly Told[]
}

export interface Told {
  readonly atMs: number
  readonly text: string
}

interface Open {
  readonly id: string
  readonly onsetMs: number
  readonly openedMs: number
  lastMs: number
  readonly timeline: Told[]
  /** Suspects by key, with their harm smoothed over time. */
  readonly suspects: Map<string, { suspect: Suspect; harm: number; most: number }>
}

const KEPT = 200
const MAX_TOLD = 20
const MAX_CAUSES = 6
/** All is well for so long: it is over. */
const CLOSE_MS = 12_000
/** What is told as the onset lies so long before the first sure deviation: half of what a window holds. */
const BEFORE_MS = 4000
/** Less harm than this is no incident: one of a hundred requests fails, or takes a hundredth longer. */
const LEAST_HARM = 0.02

export class Incidents {
  #open: Open | undefined
  readonly #closed: Incident[] = []
  readonly #onChange: (incident: Incident, change: 'opened' | 'changed' | 'closed') => void
  #told = ''

  constructor(
    onChange: (incident: Incident, change: 'opened' | 'changed' | 'closed') => void,
    kept: readonly Incident[],
  ) {
    this.#onChange = onChange
    // What was open when the process ended is not known to go on.
    for (const one of kept) {
      this.#closed.push({ ...one, severity: 'fault', state: 'closed', closedMs: one.closedMs ?? one.openedMs })
    }
  }

  /** The newest first. */
  list(): Incident[] {
    const open = this.#open === undefined ? [] : [incidentOf(this.#open, 'open', null)]
    return [...open, ...this.#closed.toReversed()]
  }

  /** How long one is open, -1 where none is. */
  openForMs(nowMs: number): number {
    return this.#open === undefined ? -1 : nowMs - this.#open.openedMs
  }

  take(suspects: readonly Suspect[], nowMs: number): void {
    const harm = suspects.reduce((sum, one) => sum + one.harm, 0)
    if (this.#open === undefined) {
      if (harm < LEAST_HARM) return
      const id = `${Math.floor(nowMs).toString(36)}`
      this.#open = { id, onsetMs: nowMs - BEFORE_MS, openedMs: nowMs, lastMs: nowMs, suspects: new Map(), timeline: [] }
      this.#grow(this.#open, suspects)
      this.#tell('opened', nowMs)
      return
    }
    const open = this.#open
    if (harm >= LEAST_HARM / 2) open.lastMs = nowMs
    this.#grow(open, suspects)
    if (nowMs - open.lastMs >= CLOSE_MS) this.#close(open)
    else if (summaryOf(open) !== this.#told) this.#tell('changed', nowMs)
  }

  #grow(open: Open, suspects: readonly Suspect[]): void {
    const now = new Map(suspects.map((one) => [one.key, one]))
    for (const [key, known] of open.suspects) {
      const one = now.get(key)
      known.harm = known.harm * 0.7 + (one?.harm ?? 0) * 0.3
      // Its evidence stays that of its worst moment.
      if (one !== undefined && one.harm >= known.most * 0.8 && one.z >= known.suspect.z * 0.9) {
        known.suspect = one
      }
      known.most = Math.max(known.most, one?.harm ?? 0)
    }
    for (const [key, suspect] of now) {
      if (open.suspects.has(key) || open.suspects.size >= 64) continue
      open.suspects.set(key, { suspect, harm: suspect.harm, most: suspect.harm })
    }
  }

  #close(open: Open): void {
    open.timeline.push({ atMs: Math.round(open.lastMs), text: 'all as usual again' })
    const incident = incidentOf(open, 'closed', open.lastMs)
    this.#open = undefined
    this.#closed.push(incident)
    if (this.#closed.length > KEPT) this.#closed.shift()
    this.#told = ''
    this.#onChange(incident, 'closed')
  }

  #tell(change: 'opened' | 'changed', nowMs: number): void {
    const open = this.#open!
    const text = `${change === 'opened' ? 'opened' : 'now first'}: ${summaryOf(open)}`
    if (open.timeline.length < MAX_TOLD) open.timeline.push({ atMs: Math.round(nowMs), text })
    const incident = incidentOf(open, 'open', null)
    this.#told = incident.summary
    this.#onChange(incident, change)
  }
}

/** A fault that is on before all others, then the newest first. */
export function inOrder(incidents: readonly Incident[]): Incident[] {
  const isOn = (one: Incident): number => Number(one.severity === 'fault' && one.state === 'open')
  return [...incidents].sort((a, b) => isOn(b) - isOn(a) || b.openedMs - a.openedMs)
}

/** By harm over the whole incident so far. */
function ranked({ suspects }: Open): Suspect[] {
  const all = [...suspects.values()].sort((a, b) => b.most + b.harm - (a.most + a.harm))
  const sum = all.reduce((total, { most }) => total + most, 0)
  return all.map(({ suspect, most }) => ({
    ...suspect,
    weight: Math.round((most / Math.max(sum, 1e-9)) * 1000) / 1000,
  }))
}

const summaryOf = (open: Open): string => ranked(open)[0]?.text ?? ''

function incidentOf(open: Open, state: Incident['state'], closedMs: number | null): Incident {
  const causes = ranked(open)
    .slice(0, MAX_CAUSES)
    .map(({ key: _, harm: _harm, ...cause }) => ({ ...cause, z: Math.round(cause.z * 10) / 10 }))
  const { id, onsetMs, openedMs } = open
  const times = { onsetMs: Math.round(onsetMs), openedMs: Math.round(openedMs) }
  return {
    id,
    severity: 'fault',
    state,
    ...times,
    closedMs: closedMs === null ? null : Math.round(closedMs),
    summary: causes[0]?.text ?? '',
    causes,
    timeline: [...open.timeline],
  }
}
