/** This aggregator's part in a fleet of several: its listener for the others, the roster, forwarding and the merged tail. */
import { lookup } from 'node:dns/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Logger } from '../../core/log.ts'
import type { NamedHost } from '../../core/members.ts'
import { writeTraces } from '../../core/recorder-protocol.ts'
import type { Incident } from '../diagnosis/incidents.ts'
import { LiveTail } from '../query/live-tail.ts'
import type { Bound, ListenerTls } from '../receive/tls-options.ts'
import type { ApiResponse, IncidentChange } from '../store/protocol.ts'
import { AlertTurns } from './alert-turns.ts'
import { ask } from './ask.ts'
import { ReplicaClient, type ReplicaSecurity } from './client.ts'
import { FleetTail } from './fleet-tail.ts'
import { forwarded } from './forward.ts'
import { Roster } from './roster.ts'
import { startReplicaServer } from './server.ts'
import { type Hello, WANTED_PATH } from './wire.ts'

const TELL_MS = 2000

export interface ReplicasOptions {
  /** Where the others ask this one. */
  readonly listen: NamedHost
  /** The `listen` of all of them, this one's too; each address of a name is one. */
  readonly hosts: readonly NamedHost[]
  /** `authorization: Bearer …` between them. */
  readonly token: string | undefined
  /** PEM text of the authorities of their certificates; undefined: those of the runtime. */
  readonly authorities: string | undefined
  /** What a query waits for one of them. */
  readonly timeoutMs: number
  /** How much longer each of them waits with an incident than the one whose turn is before; 8 s by default. */
  readonly alertStepMs?: number | undefined
}

export interface FleetSideOptions {
  readonly replicas: ReplicasOptions
  readonly security: ReplicaSecurity
  readonly tls: ListenerTls | undefined
  readonly hello: Hello
  readonly log: Logger
  /** What the users of this replica read. */
  readonly tail: LiveTail
  readonly ask: (question: string) => Promise<ApiResponse>
  /** Proxies of another replica want these traces. */
  readonly wanted: (traceIds: readonly string[]) => void
  readonly query: (url: string) => Promise<ApiResponse>
  /** Where incidents go that it is this replica's turn to tell of. */
  readonly tell: (incident: Incident, change: IncidentChange) => void
}

export class FleetSide {
  /** What the other replicas read: traces of this one alone. */
  readonly tail = new LiveTail()
  readonly #options: FleetSideOptions
  readonly #client: ReplicaClient
  readonly #turns: AlertTurns
  #merged: FleetTail | undefined
  /** Undefined until {@link join}. */
  roster: Roster | undefined

  constructor(options: FleetSideOptions) {
    this.#options = options
    this.#client = new ReplicaClient(options.security)
    this.#turns = new AlertTurns({
      ...{ client: this.#client, tell: options.tell, stepMs: options.replicas.alertStepMs },
      fleet: () => {
        const { timeoutMs } = options.replicas
        if (this.roster === undefined) return { own: 'this', others: [], timeoutMs }
        const { own, others, away } = this.roster.fleet
        return { own, others: others.filter(({ name }) => !away.includes(name)), timeoutMs }
      },
    })
  }

  listen(): Promise<Bound> {
    const { replicas, tls, hello, ask, query, wanted } = this.#options
    const { listen, token } = replicas
    return startReplicaServer({ ...listen, token, tls, hello: () => hello, ask, query, wanted, tail: this.tail })
  }

  /** Learn who the others are. */
  async join(): Promise<void> {
    const { replicas, hello, log, tail } = this.#options
    const client = this.#client
    this.roster = await Roster.start({
      ...{ id: hello.id, hosts: replicas.hosts, client, timeoutMs: replicas.timeoutMs },
      lookup: async (host) => (await lookup(host, { all: true })).map(({ address }) => address),
      onChange: (names) => log.info({ replicas: names.join() }, 'the replicas are these'),
    })
    this.#merged = new FleetTail({ roster: this.roster, client, tail })
  }

  readonly forward = (req: IncomingMessage, res: ServerResponse): Promise<boolean> => {
    const { roster } = this
    if (roster === undefined) return Promise.resolve(false)
    return forwarded(req, res, { roster, client: this.#client, timeoutMs: this.#options.replicas.timeoutMs })
  }

  /** Proxies of ours want these traces. One that cannot be reached now is not told later: its proxies have them no longer. */
  tellWanted(traceIds: readonly string[]): void {
    const body = writeTraces(traceIds).toString('hex')
    for (const member of this.roster?.others ?? []) {
      const asked = { method: 'POST', path: WANTED_PATH, timeoutMs: TELL_MS }
      ask(this.#client, member, asked, body).catch(() => this.roster?.away(member))
    }
  }

  /** Tell of an incident, unless another replica does. */
  alert(incident: Incident, change: IncidentChange): void {
    this.#turns.take(incident, change)
  }

  close(): void {
    this.#turns.close()
    this.roster?.close()
    this.#merged?.close()
    this.tail.close()
    this.#client.close()
  }
}
