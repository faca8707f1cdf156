/** Names → addresses, cached by their TTL. A stale answer serves while the resolver fails or is slow (RFC 8767). */
import { isIP } from 'node:net'
import { LRUCache } from 'lru-cache'
import { nowUs } from '../core/clock.ts'
import { errnoOf } from '../core/errors.ts'
import { AddressOrder } from './address-order.ts'
import { DnsNames, type NameSource, type ResolvedAddress, SystemNames } from './name-source.ts'

export type { ResolvedAddress }

interface Entry {
  readonly addresses: readonly ResolvedAddress[]
  readonly expiresUs: number
  readonly staleUntilUs: number
}

/** A record that may not be cached is asked for once a second all the same, not once a request. */
const MIN_TTL_S = 1
const MAX_TTL_S = 300
/** Where the record's own TTL cannot be had. */
const DEFAULT_TTL_S = 5
const STALE_US = 60_000_000
/** With a stale answer at hand, a request waits this long for a fresh one (RFC 8767 §5 "client response timer"). */
const STALE_AFTER_MS = 500
/** After that the stale answer serves at once for a while (the same, "failure recheck timer"). */
const RECHECK_US = 5_000_000
/** The name does not exist, or has no address: that is an answer. */
const DEFINITE = new Set(['ENOTFOUND', 'ENODATA'])

export interface NameResolverOptions {
  /** DNS servers to ask directly, `address[:port]` each; empty: the system's resolver. */
  readonly servers: readonly string[]
}

/** Resolver of one upstream module. */
export class NameResolver {
  /** In which order those who dial are to try what they get. */
  readonly order = new AddressOrder()
  readonly #source: NameSource
  readonly #cache = new LRUCache<string, Entry>({ max: 1000 })
  readonly #pending = new Map<string, Promise<readonly ResolvedAddress[]>>()

  constructor({ servers }: NameResolverOptions = { servers: [] }) {
    this.#source = servers.length === 0 ? new SystemNames() : new DnsNames(servers)
  }

  /** Addresses at hand without waiting: a literal, or a fresh cache entry. */
  cached(host: string): readonly ResolvedAddress[] | undefined {
    const family = isIP(host)
    if (family !== 0) return [{ address: host, family: family as 4 | 6 }]
    const entry = this.#cache.get(host)
    return entry !== undefined && entry.expiresUs > nowUs() ? entry.addresses : undefined
  }

  /** Resolve; concurrent questions for one name are asked once. Rejects with the resolver's error. */
  resolve(host: string): Promise<readonly ResolvedAddress[]> {
    const question = this.#pending.get(host) ?? this.#ask(host)
    const entry = this.#cache.get(host)
    return entry === undefined || entry.staleUntilUs <= nowUs() ? question : this.#orStale(host, question, entry)
  }

  #ask(host: string): Promise<readonly ResolvedAddress[]> {
    const question = this.#source
      .ask(host, (addresses, ttlS) => this.#store(host, addresses, ttlS))
      .then(
        () => this.#cache.get(host)?.addresses ?? [],
        (error) => {
          if (DEFINITE.has(errnoOf(error))) this.#cache.delete(host)
          throw error
        },
      )
      .finally(() => this.#pending.delete(host))
    this.#pending.set(host, question)
    return question
  }

  #orStale(
    host: string,
    question: Promise<readonly ResolvedAddress[]>,
    entry: Entry,
  ): Promise<readonly ResolvedAddress[]> {
    return new Promise((resolve, reject) => {
      const serveStale = (): void => {
        const expiresUs = Math.min(nowUs() + RECHECK_US, entry.staleUntilUs)
        // Unless the answer has come meanwhile.
        if (this.#cache.get(host) === entry) this.#cache.set(host, { ...entry, expiresUs })
        resolve(entry.addresses)
      }
      const timer = setTimeout(serveStale, STALE_AFTER_MS)
      question
        .then(resolve, (error) => (DEFINITE.has(errnoOf(error)) ? reject(error) : serveStale()))
        .finally(() => clearTimeout(timer))
    })
  }

  #store(host: string, addresses: readonly ResolvedAddress[], ttlS = DEFAULT_TTL_S): void {
    const bounded = Math.min(Math.max(ttlS, MIN_TTL_S), MAX_TTL_S)
    const expiresUs = nowUs() + bounded * 1e6
    this.#cache.set(host, { addresses, expiresUs, staleUntilUs: expiresUs + STALE_US })
  }
}
