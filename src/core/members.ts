/** Receivers by name, as they are told in settings: a list of hosts, each of which may stand for several addresses. */
import { MAX_RECEIVERS } from './rendezvous.ts'

/** A host as it was named: a DNS name, or an address (IPv6 without brackets). */
export interface NamedHost {
  readonly host: string
  readonly port: number
}

export interface Member {
  /** What it is hashed by: the host as it was named, or its address where the name stands for several. */
  readonly name: string
  /** What to connect to. */
  readonly host: string
  readonly port: number
  /** The host as it was named, which certificates are for. */
  readonly serverName: string
}

/** All addresses of a name; rejects where there are none. */
export type Lookup = (host: string) => Promise<readonly string[]>

export interface MembersOptions {
  readonly hosts: readonly NamedHost[]
  readonly lookup: Lookup
  readonly everyMs: number
  /** Others than before, sorted by name. */
  readonly onChange: (members: readonly Member[]) => void
}

export const joined = (host: string, port: number): string => `${host.includes(':') ? `[${host}]` : host}:${port}`

/** Names are looked up again every so often; one that cannot be keeps what was last found. */
export class Members {
  readonly #options: MembersOptions
  readonly #found = new Map<string, readonly string[]>()
  readonly #timer: NodeJS.Timeout
  #current: readonly Member[]
  #looking: Promise<void> | undefined

  constructor(options: MembersOptions) {
    this.#options = options
    this.#current = this.#members()
    this.#timer = setInterval(() => void this.refresh(), options.everyMs)
    this.#timer.unref()
  }

  get current(): readonly Member[] {
    return this.#current
  }

  /** Look all names up now. Never rejects. */
  refresh(): Promise<void> {
    this.#looking ??= this.#refresh().finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  close(): void {
    clearInterval(this.#timer)
  }

  async #refresh(): Promise<void> {
    await Promise.all(
      this.#options.hosts.map(async ({ host }) => {
        const addresses = await this.#options.lookup(host).catch(() => [])
        if (addresses.length > 0) this.#found.set(host, oneFamily(addresses))
      }),
    )
    const members = this.#members()
    const key = (list: readonly Member[]): string => list.map(({ name }) => name).join()
    if (key(members) === key(this.#current)) return
    this.#current = members
    this.#options.onChange(members)
  }

  #members(): Member[] {
    const members = new Map<string, Member>()
    for (const { host, port } of this.#options.hosts) {
      const addresses = this.#found.get(host) ?? []
      // A name that stands for one address keeps its place in the order when that address changes.
      for (const at of addresses.length > 1 ? addresses : [host]) {
        const name = joined(at, port)
        members.set(name, { name, host: at, port, serverName: host })
      }
    }
    return [...members.values()].sort((a, b) => (a.name < b.name ? -1 : 1)).slice(0, MAX_RECEIVERS)
  }
}

/** The two addresses of a host in both families are one receiver, not two. */
function oneFamily(addresses: readonly string[]): readonly string[] {
  const v4 = addresses.filter((address) => !address.includes(':'))
  return [...new Set(v4.length > 0 ? v4 : addresses)].sort()
}
