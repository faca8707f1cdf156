/**
 * Names → addresses, cached. The system's resolver answers (so that /etc/hosts and search domains count); since it
 * tells no TTL, the DNS record is asked for one beside it. A stale answer serves while the resolver fails.
 */
import { lookup, Resolver } from 'node:dns/promises'
import { isIP } from 'node:net'
import { LRUCache } from 'lru-cache'
import { nowUs } from '../core/clock.ts'

/** One resolved address. */
export interface ResolvedAddress {
  readonly address: string
  readonly family: 4 | 6
}

interface Entry {
  readonly addresses: readonly ResolvedAddress[]
  readonly expiresUs: number
}

const MIN_TTL_S = 1
const MAX_TTL_S = 300
/** Where the record's own TTL cannot be had. */
const DEFAULT_TTL_S = 5
const STALE_US = 60_000_000
const TTL_QUERY_MS = 1000

/** Resolver of one upstream module. */
export class NameResolver {
  readonly #cache = new LRUCache<string, Entry>({ max: 1000 })
  readonly #pending = new Map<string, Promise<readonly ResolvedAddress[]>>()
  readonly #ttls = new Resolver({ timeout: TTL_QUERY_MS, tries: 1 })

  /** Addresses at hand without waiting: a literal, or a fresh cache entry. */
  cached(host: string): readonly ResolvedAddress[] | undefined {
    const family = isIP(host)
    if (family !== 0) return [{ address: host, family: family as 4 | 6 }]
    const entry = this.#cache.get(host)
    return entry !== undefined && entry.expiresUs > nowUs() ? entry.addresses : undefined
  }

  /** Resolve; concurrent questions for one name are asked once. Rejects with the resolver's error. */
  resolve(host: string): Promise<readonly ResolvedAddress[]> {
    const pending = this.#pending.get(host)
    if (pending !== undefined) return pending
    const question = this.#ask(host).finally(() => this.#pending.delete(host))
    this.#pending.set(host, question)
    return question
  }

  async #ask(host: string): Promise<readonly ResolvedAddress[]> {
    try {
      const found = await lookup(host, { all: true, verbatim: true })
      const addresses = found.map(({ address, family }) => ({ address, family: family as 4 | 6 }))
      this.#store(host, addresses, DEFAULT_TTL_S)
      this.#learnTtl(host, addresses)
      return addresses
    } catch (error) {
      const stale = this.#cache.get(host)
      if (stale !== undefined && nowUs() < stale.expiresUs + STALE_US) return stale.addresses
      throw error
    }
  }

  /** Off the way of the request: only the next expiry depends on it. */
  #learnTtl(host: string, addresses: readonly ResolvedAddress[]): void {
    const wanted = addresses[0]
    if (wanted === undefined || host === 'localhost') return
    const question =
      wanted.family === 4 ? this.#ttls.resolve4(host, { ttl: true }) : this.#ttls.resolve6(host, { ttl: true })
    question.then(
      (records) => {
        const record = records.find(({ address }) => address === wanted.address)
        if (record !== undefined) this.#store(host, addresses, record.ttl)
      },
      () => {
        // Names from /etc/hosts or other sources have no DNS record: the default TTL holds.
      },
    )
  }

  #store(host: string, addresses: readonly ResolvedAddress[], ttlS: number): void {
    const bounded = Math.min(Math.max(ttlS, MIN_TTL_S), MAX_TTL_S)
    this.#cache.set(host, { addresses, expiresUs: nowUs() + bounded * 1e6 })
  }
}
