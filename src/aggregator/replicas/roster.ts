/** Who the replicas are: named in settings, looked up by DNS, and asked who they are, often until they say it. */
import { joined, type Lookup, type Member, Members, type NamedHost } from '../../core/members.ts'
import { Rendezvous, slotOfTrace } from '../../core/rendezvous.ts'
import { ask } from './ask.ts'
import type { ReplicaClient } from './client.ts'
import type { Fleet } from './fleet-spans.ts'
import { HELLO_PATH, type Hello } from './wire.ts'

/** Those that do not answer are asked at each turn, the others at every fourth. */
const TURN_MS = 500
const ALL_AT = 4
const HELLO_TIMEOUT_MS = 1000
const RESOLVE_EVERY_MS = 5000
/** Names that cannot be looked up must not hold up the start. */
const FIRST_ROUND_MS = 3000

export interface RosterOptions {
  /** Of this replica. */
  readonly id: string
  /** All replicas, this one among them. */
  readonly hosts: readonly NamedHost[]
  readonly lookup: Lookup
  readonly client: ReplicaClient
  /** What one query waits for a replica at most. */
  readonly timeoutMs: number
  readonly onChange: (replicas: readonly string[]) => void
}

interface Known extends Hello {
  readonly up: boolean
}

export class Roster {
  readonly #options: RosterOptions
  readonly #members: Members
  readonly #known = new Map<string, Known>()
  #timer: NodeJS.Timeout | undefined
  #order = new Rendezvous([])

  private constructor(options: RosterOptions) {
    this.#options = options
    const { hosts, lookup } = options
    this.#members = new Members({ hosts, lookup, everyMs: RESOLVE_EVERY_MS, onChange: (list) => this.#listed(list) })
  }

  /** Resolves when each of them was asked once, or soon. */
  static async start(options: RosterOptions): Promise<Roster> {
    const roster = new Roster(options)
    const first = roster.#members.refresh().then(() => roster.#greet())
    await Promise.race([first, new Promise((resolve) => setTimeout(resolve, FIRST_ROUND_MS).unref())])
    let turns = 0
    roster.#timer = setInterval(() => void roster.#greet(++turns % ALL_AT !== 0), TURN_MS)
    roster.#timer.unref()
    return roster
  }

  /** The others that said who they are, each once. */
  get others(): Member[] {
    const seen = new Set([this.#options.id])
    return this.#members.current.filter(({ name }) => {
      const id = this.#known.get(name)?.id
      if (id === undefined || seen.has(id)) return false
      seen.add(id)
      return true
    })
  }

  /** All but this one. */
  get states(): { name: string; up: boolean }[] {
    return this.#members.current
      .map(({ name }) => ({ name, known: this.#known.get(name) }))
      .filter(({ known }) => known?.id !== this.#options.id)
      .map(({ name, known }) => ({ name, up: known?.up === true }))
  }

  get fleet(): Fleet {
    const { current } = this.#members
    const own = current.find(({ name }) => this.#known.get(name)?.id === this.#options.id)
    return {
      own: own?.name ?? 'this',
      others: this.others,
      away: current.filter(({ name }) => this.#known.get(name)?.up === false).map(({ name }) => name),
      unknown: current.filter(({ name }) => !this.#known.has(name)).map(({ name }) => name),
      timeoutMs: this.#options.timeoutMs,
    }
  }

  /** The other replica that senders give the trace to; undefined where that is this one, or nobody that answers. */
  ownerOf(traceId: string): Member | undefined {
    const upByName = new Map<string, Member>()
    for (const member of this.#members.current) {
      const known = this.#known.get(member.name)
      if (known?.up === true) upByName.set(senderName(member, known), member)
    }
    const name = this.#order.order(slotOfTrace(traceId)).find((one) => upByName.has(one))
    const member = name === undefined ? undefined : upByName.get(name)
    return member === undefined || this.#known.get(member.name)?.id === this.#options.id ? undefined : member
  }

  /** It did not answer a query just now. */
  away({ name }: Member): void {
    const known = this.#known.get(name)
    if (known !== undefined) this.#known.set(name, { ...known, up: false })
  }

  close(): void {
    clearInterval(this.#timer)
    this.#members.close()
  }

  #listed(list: readonly Member[]): void {
    const names = list.map(({ name }) => name)
    for (const name of [...this.#known.keys()]) if (!names.includes(name)) this.#known.delete(name)
    this.#options.onChange(names)
    void this.#greet()
  }

  async #greet(absentOnly = false): Promise<void> {
    const asked = this.#members.current.filter(({ name }) => !absentOnly || this.#known.get(name)?.up !== true)
    if (asked.length === 0) return
    await Promise.all(asked.map((member) => this.#greetOne(member)))
    const names = this.#members.current.flatMap((member) => {
      const known = this.#known.get(member.name)
      return known === undefined || known.otlpPort === 0 ? [] : senderName(member, known)
    })
    if ([...new Set(names)].sort().join() !== this.#order.names.join()) this.#order = new Rendezvous(names)
  }

  async #greetOne(member: Member): Promise<void> {
    try {
      const body = await ask(this.#options.client, member, { path: HELLO_PATH, timeoutMs: HELLO_TIMEOUT_MS })
      const { id, otlpPort } = JSON.parse(body.toString()) as Hello
      if (typeof id !== 'string' || typeof otlpPort !== 'number') throw new Error('no replica answers there')
      this.#known.set(member.name, { id, otlpPort, up: true })
    } catch {
      this.away(member)
    }
  }
}

/** What senders hash the replica by. */
const senderName = ({ host }: Member, { otlpPort }: Hello): string => joined(host, otlpPort)
