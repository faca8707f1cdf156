/** Which addresses are this host's own: what an inbound connection may be meant for, and what makes a loop. */
import { networkInterfaces } from 'node:os'
import { nowUs } from '../core/clock.ts'
import { canonicalIp } from '../core/ip-address.ts'

/** A reading of the interfaces is trusted for so long. */
const MAX_AGE_US = 1_000_000
/**
 * A miss may be an address that was just added, so that it reads anew; not more often than this, since peers can cause
 * misses at will and a reading costs about 0.1 ms.
 */
const MISS_AGE_US = 100_000

/** Cached view of the host's addresses. */
export class LocalAddresses {
  readonly #list: () => Iterable<string>
  readonly #nowUs: () => number
  #known = new Set<string>()
  #readUs = Number.NEGATIVE_INFINITY

  constructor(list: () => Iterable<string> = interfaceAddresses, clock: () => number = nowUs) {
    this.#list = list
    this.#nowUs = clock
  }

  /** Whether a connection to `address` stays on this host. */
  has(address: string): boolean {
    const canonical = canonicalIp(address)
    if (isAlwaysLocal(canonical)) return true
    const age = this.#nowUs() - this.#readUs
    if (age >= MAX_AGE_US) this.#read()
    if (this.#known.has(canonical)) return true
    if (age < MISS_AGE_US || age >= MAX_AGE_US) return false
    this.#read()
    return this.#known.has(canonical)
  }

  #read(): void {
    this.#readUs = this.#nowUs()
    const known = new Set<string>()
    for (const address of this.#list()) known.add(canonicalIp(address))
    this.#known = known
  }
}

/** All of 127/8 is local without being listed; a dial to the unspecified address goes to this host (RFC 1122 §3.2.1.3). */
function isAlwaysLocal(canonical: string): boolean {
  return canonical.startsWith('127.') || canonical === '::1' || canonical === '0.0.0.0' || canonical === '::'
}

function* interfaceAddresses(): Iterable<string> {
  for (const list of Object.values(networkInterfaces())) {
    for (const entry of list ?? []) yield entry.address
  }
}
