/**
 * What is not as it should be and has failed nothing yet: incidents of their own beside the one of faults, each told once,
 * however often it shows. What says the same has the same id, in every replica and over restarts.
 */
import type { Cause } from './diagnosis.ts'
import type { Incident, IncidentCause } from './incidents.ts'

/** Once seen, it stands as long as it is seen again within this. */
export interface Sign {
  /** What is the matter, where: names it over time. */
  readonly key: string
  readonly keepMs: number
  readonly cause: () => Cause
  /** A trace that shows it; '' for none. */
  readonly traceId: string
}

interface Standing {
  readonly id: string
  readonly openedMs: number
  keepMs: number
  lastMs: number
  cause: IncidentCause
}

const MAX_OPEN = 100
const KEPT = 100
const MAX_TRACES = 5

export class Warnings {
  readonly #open = new Map<string, Standing>()
  #closed: Incident[] = []
  readonly #onChange: (incident: Incident, change: 'opened' | 'closed') => void

  constructor(onChange: (incident: Incident, change: 'opened' | 'closed') => void, kept: readonly Incident[]) {
    this.#onChange = onChange
    for (const one of kept) {
      if (one.state === 'closed' || one.key === undefined) this.#closed.push({ ...one, state: 'closed' })
      else this.#restore(one, one.key)
    }
  }

  /** What stood when the process ended stands on until it is not seen for a while: it is not told again. */
  #restore({ id, openedMs, keepMs = 0, causes }: Incident, key: string): void {
    const [cause] = causes
    if (cause !== undefined) this.#open.set(key, { id, openedMs, keepMs, lastMs: -1, cause })
  }

  see({ key, keepMs, cause, traceId }: Sign, nowMs: number): void {
    const known = this.#open.get(key)
    if (known !== undefined) {
      known.lastMs = nowMs
      known.keepMs = keepMs
      if (traceId !== '' && known.cause.traceIds.length < MAX_TRACES && !known.cause.traceIds.includes(traceId)) {
        known.cause = { ...known.cause, traceIds: [...known.cause.traceIds, traceId] }
      }
      return
    }
    if (this.#open.size >= MAX_OPEN) return
    const made: Standing = {
      id: `w${hashOf(key)}`,
      openedMs: nowMs,
      ...{ keepMs, lastMs: nowMs },
      cause: { ...cause(), traceIds: traceId === '' ? [] : [traceId], z: 0 },
    }
    this.#open.set(key, made)
    this.#onChange(incidentOf(key, made, null), 'opened')
  }

  /** Whether it stands. */
  has(key: string): boolean {
    return this.#open.has(key)
  }

  /** It is over for sure. */
  end(key: string, nowMs: number): void {
    const known = this.#open.get(key)
    if (known === undefined) return
    this.#open.delete(key)
    const incident = incidentOf(key, known, nowMs)
    this.#closed.push(incident)
    if (this.#closed.length > KEPT) this.#closed.shift()
    this.#onChange(incident, 'closed')
  }

  /** Those whose key begins so. */
  endAll(prefix: string, nowMs: number): void {
    for (const key of this.#open.keys()) if (key.startsWith(prefix)) this.end(key, nowMs)
  }

  get size(): number {
    return this.#open.size
  }

  tick(nowMs: number): void {
    for (const [key, one] of this.#open) {
      if (one.lastMs < 0) one.lastMs = nowMs
      if (nowMs - one.lastMs > one.keepMs) this.end(key, nowMs)
    }
  }

  list(): Incident[] {
    return [...[...this.#open].map(([key, one]) => incidentOf(key, one, null)), ...this.#closed]
  }
}

function incidentOf(key: string, { id, openedMs, keepMs, cause }: Standing, closedMs: number | null): Incident {
  const opened = Math.round(openedMs)
  return {
    ...{ id, severity: 'warning', key, keepMs, state: closedMs === null ? 'open' : 'closed' },
    ...{ onsetMs: opened, openedMs: opened, closedMs: closedMs === null ? null : Math.round(closedMs) },
    summary: cause.text,
    causes: [cause],
    timeline: [
      { atMs: opened, text: cause.text },
      ...(closedMs === null ? [] : [{ atMs: Math.round(closedMs), text: 'not seen any more' }]),
    ],
  }
}

/** FNV-1a, 32 bits, base 36. */
function hashOf(text: string): string {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return (hash >>> 0).toString(36)
}
