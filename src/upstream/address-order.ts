/**
 * Which address of a name to try first: not one that failed, or was silent, while another connected (RFC 8305 §4, history of
 * addresses).
 */
import { LRUCache } from 'lru-cache'
import { canonicalIp, plainAddress } from '../core/ip-address.ts'
import type { ResolvedAddress } from './name-source.ts'

/** Then it is tried first again: a route that was down may be back. */
const FORGET_MS = 60_000

export class AddressOrder {
  readonly #lost = new LRUCache<string, true>({ max: 1000, ttl: FORGET_MS })

  /** The same addresses, those that lost lately last. */
  sorted(addresses: readonly ResolvedAddress[]): readonly ResolvedAddress[] {
    if (addresses.length === 1 || this.#lost.size === 0) return addresses
    const isLost = ({ address }: ResolvedAddress): boolean => this.#lost.has(address)
    return [...addresses.filter((it) => !isLost(it)), ...addresses.filter(isLost)]
  }

  /** Of these, in this order, `winner` connected: if that is not the first, the first one lost. */
  connected(tried: readonly ResolvedAddress[], winner: string | undefined): void {
    const first = tried[0]!.address
    if (tried.length > 1 && canonicalIp(plainAddress(winner)) !== canonicalIp(first)) this.#lost.set(first, true)
  }
}
