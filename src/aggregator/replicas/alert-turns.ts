/**
 * Who tells of an incident that several replicas see: the first by rendezvous hash, at once. The others wait a while, each
 * longer than the one before, and tell only where none before them has the incident: it may be seen by one alone.
 */
import type { Member } from '../../core/members.ts'
import { Rendezvous, slotOfTrace } from '../../core/rendezvous.ts'
import type { Incident } from '../diagnosis/incidents.ts'
import type { WatchState } from '../diagnosis/watch.ts'
import type { Row } from '../query/rows.ts'
import type { IncidentChange } from '../store/protocol.ts'
import { ask } from './ask.ts'
import type { ReplicaClient } from './client.ts'
import { areOne } from './merged-incidents.ts'
import { ASK_PATH, rowsIn, toWire } from './wire.ts'

export interface AlertTurnsOptions {
  readonly client: ReplicaClient
  /** Those that are up, by the names that all know them by. */
  readonly fleet: () => { readonly own: string; readonly others: readonly Member[]; readonly timeoutMs: number }
  readonly tell: (incident: Incident, change: IncidentChange) => void
  /** What each waits longer than the one before; 8 s by default. */
  readonly stepMs?: number | undefined
}

interface Turn {
  /** undefined: not decided yet. */
  speaks: boolean | undefined
  incident: Incident
  readonly changes: IncidentChange[]
}

const STEP_MS = 8000
const MAX_TURNS = 1000

export class AlertTurns {
  readonly #options: AlertTurnsOptions
  readonly #turns = new Map<string, Turn>()
  readonly #timers = new Set<NodeJS.Timeout>()

  constructor(options: AlertTurnsOptions) {
    this.#options = options
  }

  take(incident: Incident, change: IncidentChange): void {
    const turn = this.#turns.get(incident.id) ?? this.#begin(incident)
    turn.incident = incident
    if (turn.speaks === true) this.#options.tell(incident, change)
    else if (turn.speaks === undefined) turn.changes.push(change)
    // A warning comes again under its id, and then it is another's turn maybe.
    if (change === 'closed' && turn.speaks !== undefined) this.#turns.delete(incident.id)
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer)
  }

  #begin(incident: Incident): Turn {
    const before = this.#before(incident)
    const turn: Turn = { speaks: before.length === 0 ? true : undefined, incident, changes: [] }
    if (this.#turns.size >= MAX_TURNS) this.#turns.clear()
    this.#turns.set(incident.id, turn)
    if (before.length === 0) return turn
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer)
        void this.#decide(turn, before)
      },
      before.length * (this.#options.stepMs ?? STEP_MS),
    )
    this.#timers.add(timer.unref())
    return turn
  }

  async #decide(turn: Turn, before: readonly Member[]): Promise<void> {
    const known = await Promise.all(before.map((member) => this.#has(member, turn.incident)))
    turn.speaks = !known.includes(true)
    if (turn.speaks) for (const change of turn.changes) this.#options.tell(turn.incident, change)
    if (turn.changes.includes('closed')) this.#turns.delete(turn.incident.id)
  }

  /** Those whose turn is before ours. Faults have no name that all share: they have one order. */
  #before({ id, severity }: Incident): Member[] {
    const { own, others } = this.#options.fleet()
    const order = new Rendezvous([own, ...others.map(({ name }) => name)])
    const names = order.order(slotOfTrace((severity === 'warning' ? id : 'fault').padEnd(32)))
    return names.slice(0, names.indexOf(own)).flatMap((name) => others.find((one) => one.name === name) ?? [])
  }

  async #has(member: Member, incident: Incident): Promise<boolean> {
    const question = toWire({ ask: 'rows', question: { of: 'incidents', fromNs: 0n, toNs: 0n } })
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(question) }
    const { client, fleet } = this.#options
    try {
      const asked = { method: 'POST', path: ASK_PATH, headers, timeoutMs: fleet().timeoutMs }
      const [row] = rowsIn<Row>(await ask(client, member, asked, question))
      const { incidents } = JSON.parse(String(row?.[0])) as WatchState
      return incidents.some((one) => areOne(one, incident))
    } catch {
      // It does not answer: it tells of nothing either, as far as can be known.
      return false
    }
  }
}
