/** Where addresses of names come from: the system's resolver, or DNS servers that are asked directly. */
import { lookup, Resolver } from 'node:dns/promises'

/** One resolved address. */
export interface ResolvedAddress {
  readonly address: string
  readonly family: 4 | 6
}

/** Takes what is known of a name, each time that more of it is known; `ttlS` undefined: not told. */
export type Learn = (addresses: readonly ResolvedAddress[], ttlS: number | undefined) => void

/** Asks for the addresses of a name. */
export interface NameSource {
  /** `learn` was called at least once when it resolves. Rejects with the resolver's error. */
  ask(host: string, learn: Learn): Promise<void>
}

const TTL_QUERY_MS = 1000

/**
 * getaddrinfo, so that /etc/hosts and search domains count. Since it tells no TTL, the DNS record is asked for one
 * beside it, off the way of the request: only the next expiry depends on it.
 */
export class SystemNames implements NameSource {
  readonly #ttls = new Resolver({ timeout: TTL_QUERY_MS, tries: 1 })

  async ask(host: string, learn: Learn): Promise<void> {
    const found = await lookup(host, { all: true, verbatim: true })
    const addresses = found.map(({ address, family }) => ({ address, family: family as 4 | 6 }))
    learn(addresses, undefined)
    const wanted = addresses[0]
    if (wanted === undefined || host === 'localhost') return
    const record = wanted.family === 4 ? this.#ttls.resolve4(host, TTL) : this.#ttls.resolve6(host, TTL)
    record.then(
      (records) => {
        const same = records.find(({ address }) => address === wanted.address)
        if (same !== undefined) learn(addresses, same.ttl)
      },
      () => {
        // Names from /etc/hosts or other sources have no DNS record: the default TTL holds.
      },
    )
  }
}

const TTL = { ttl: true } as const
/** With the addresses of one family there, wait this much for the other's (RFC 8305 §3 "Resolution Delay"). */
const OTHER_FAMILY_MS = 50
const QUERY_MS = 1500
const TRIES = 3

type Found = readonly { readonly address: string; readonly ttl: number }[]

/** DNS alone, no /etc/hosts and no search domains. Servers are `address`, `address:port` or `[v6]:port`. */
export class DnsNames implements NameSource {
  readonly #resolver = new Resolver({ timeout: QUERY_MS, tries: TRIES })

  constructor(servers: readonly string[]) {
    this.#resolver.setServers(servers)
  }

  async ask(host: string, learn: Learn): Promise<void> {
    let six: Found = []
    let four: Found = []
    const tell = (): void => {
      const all = [...six, ...four]
      if (all.length === 0) return
      const addresses = [...typed(six, 6), ...typed(four, 4)]
      learn(addresses, Math.min(...all.map(({ ttl }) => ttl)))
    }
    const v6 = this.#resolver.resolve6(host, TTL).then((found) => {
      six = found
      tell()
    })
    const v4 = this.#resolver.resolve4(host, TTL).then((found) => {
      four = found
      tell()
    })
    await firstOf(v4, v6)
  }
}

function typed(found: Found, family: 4 | 6): ResolvedAddress[] {
  return found.map(({ address }) => ({ address, family }))
}

/** Resolves shortly after one did, or with both; rejects with the error of `preferred` when both did. */
function firstOf(preferred: Promise<void>, other: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined
    const shortly = (): void => {
      timer ??= setTimeout(resolve, OTHER_FAMILY_MS)
    }
    preferred.then(shortly, () => {})
    other.then(shortly, () => {})
    Promise.allSettled([preferred, other]).then(([one, two]) => {
      clearTimeout(timer)
      if (one.status === 'rejected' && two.status === 'rejected') reject(one.reason)
      else resolve()
    })
  })
}
