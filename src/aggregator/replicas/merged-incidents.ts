/**
 * What several replicas watch, as one. Each sees its share of the traces, all of them of the same services: one fault opens an
 * incident at each, at about the same time, with the same causes and weights that differ by chance.
 */
import { type Incident, type IncidentCause, inOrder } from '../diagnosis/incidents.ts'
import type { LookBack } from '../diagnosis/look-back.ts'
import type { WatchState } from '../diagnosis/watch.ts'

const MAX_CAUSES = 6
const MAX_TRACES = 10
const MAX_TOLD = 20
/** Incidents of two replicas that are not further apart are one: each is sure of it at a time of its own. */
const APART_MS = 15_000

export function mergedStates(states: readonly WatchState[]): WatchState {
  const [first] = states
  if (states.length === 1 && first !== undefined) return first
  const all = states.flatMap(({ incidents }) => incidents)
  const most = (of: (state: WatchState) => number): number => Math.max(0, ...states.map(of))
  return {
    state: states.some(({ state }) => state === 'watching') ? 'watching' : 'learning',
    // Places are the same ones everywhere.
    signatures: most(({ signatures }) => signatures),
    ready: most(({ ready }) => ready),
    oneOf: most(({ oneOf }) => oneOf),
    incidents: inOrder([...groups(all.filter(({ severity }) => severity !== 'warning')).map(merged), ...warnings(all)]),
  }
}

/** What several replicas say of a stretch of time. */
export function mergedLooks(looks: readonly LookBack[]): LookBack {
  const [first] = looks
  if (looks.length === 1 && first !== undefined) return first
  return {
    fromMs: first?.fromMs ?? 0,
    toMs: first?.toMs ?? 0,
    spans: looks.reduce((sum, { spans }) => sum + spans, 0),
    partial: looks.some(({ partial }) => partial),
    causes: mergedCauses(looks),
  }
}

/** Those that say the same have one id: the one that stands, else the newest. */
function warnings(all: readonly Incident[]): Incident[] {
  const byId = new Map<string, Incident>()
  for (const one of all) {
    const known = byId.get(one.id)
    if (one.severity !== 'warning' || known?.state === 'open') continue
    if (known === undefined || one.state === 'open' || one.openedMs > known.openedMs) byId.set(one.id, one)
  }
  return [...byId.values()]
}

/** Whether two replicas tell of the same. */
export function areOne(a: Incident, b: Incident): boolean {
  if (a.severity === 'warning' || b.severity === 'warning') return a.id === b.id && a.state === b.state
  const endOf = ({ closedMs }: Incident): number => (closedMs ?? Number.POSITIVE_INFINITY) + APART_MS
  return a.onsetMs <= endOf(b) && b.onsetMs <= endOf(a)
}

/** Those that overlap, the newest first. */
function groups(incidents: readonly Incident[]): Incident[][] {
  const found: { endMs: number; members: Incident[] }[] = []
  for (const one of [...incidents].sort((a, b) => a.onsetMs - b.onsetMs)) {
    const endMs = one.closedMs ?? Number.POSITIVE_INFINITY
    const last = found.at(-1)
    if (last !== undefined && one.onsetMs <= last.endMs + APART_MS) {
      last.members.push(one)
      last.endMs = Math.max(last.endMs, endMs)
    } else found.push({ endMs, members: [one] })
  }
  return found.reverse().map(({ members }) => members)
}

function merged(members: readonly Incident[]): Incident {
  const [first] = members as [Incident]
  if (members.length === 1) return first
  const causes = mergedCauses(members)
  const isOpen = members.some(({ state }) => state === 'open')
  // In the words of the one that is surest of what is likeliest.
  const spokesman = members.reduce((best, one) => (weightOf(one, causes[0]) > weightOf(best, causes[0]) ? one : best))
  return {
    id: first.id,
    severity: 'fault',
    state: isOpen ? 'open' : 'closed',
    onsetMs: first.onsetMs,
    openedMs: Math.min(...members.map(({ openedMs }) => openedMs)),
    closedMs: isOpen ? null : Math.max(...members.map(({ closedMs }) => closedMs ?? 0)),
    summary: spokesman.summary,
    causes,
    timeline: members
      .flatMap(({ timeline }) => timeline)
      .sort((a, b) => a.atMs - b.atMs)
      .slice(0, MAX_TOLD),
  }
}

const keyOf = ({ diagnosis, service, from, route }: IncidentCause): string =>
  JSON.stringify([diagnosis, service, from, route])

/** The weight of a cause is the mean over all: one that does not name it speaks against it. */
function mergedCauses(members: readonly Pick<Incident, 'causes'>[]): IncidentCause[] {
  const byKey = new Map<string, IncidentCause[]>()
  for (const cause of members.flatMap(({ causes }) => causes)) {
    const key = keyOf(cause)
    byKey.set(key, [...(byKey.get(key) ?? []), cause])
  }
  const causes = [...byKey.values()].map((same): IncidentCause => {
    const surest = same.reduce((best, one) => (one.weight > best.weight ? one : best))
    return {
      ...surest,
      weight: same.reduce((sum, { weight }) => sum + weight, 0) / members.length,
      z: Math.max(...same.map(({ z }) => z)),
      traceIds: [...new Set(same.flatMap(({ traceIds }) => traceIds))].slice(0, MAX_TRACES),
    }
  })
  return causes.sort((a, b) => b.weight - a.weight).slice(0, MAX_CAUSES)
}

function weightOf({ causes }: Incident, wanted: IncidentCause | undefined): number {
  if (wanted === undefined) return 0
  return causes.find((one) => keyOf(one) === keyOf(wanted))?.weight ?? 0
}
