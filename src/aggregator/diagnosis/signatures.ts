/** All signatures by place; bounded. */
import { Signature } from './signature.ts'

/** A route of a service (SERVED), or calls of a service to a peer (CALL). */
export type PlaceKind = 0 | 1
export const SERVED = 0
export const CALL = 1

export interface Entry {
  readonly kind: PlaceKind
  /** Number of the name of the service. */
  readonly service: number
  /** Of the route, or of the peer's address or service. */
  readonly other: number
  readonly signature: Signature
  /** Deviations were seen in the epoch that runs. */
  deviated: boolean
  /** For calls: the service that was seen to answer; 0: no span of the other side came. */
  callee: number
  /** For calls: the route that its caller served when it called; 0 where not known. */
  via: number
  /** Looks in a row at which it deviated. */
  streak: number
  /** A call that takes longer by itself is worth showing, microseconds. */
  notableUs: number
  /** Epochs in a row in which it did. */
  badEpochs: number
  /** Failures of late, and those of them that something that came late explained; both fade. */
  failures: number
  explained: number
}

const MAX = 10_000
const NAMES = 262_144

export class Signatures {
  readonly #entries = new Map<number, Entry>()
  /** Places that found no room. */
  refused = 0

  get size(): number {
    return this.#entries.size
  }

  find(kind: PlaceKind, service: number, other: number): Entry | undefined {
    return this.#entries.get((service * NAMES + other) * 2 + kind)
  }

  /** Undefined where there is no room: what has not been called for longest is not pushed out by what nobody knows. */
  at(kind: PlaceKind, service: number, other: number): Entry | undefined {
    const key = (service * NAMES + other) * 2 + kind
    const known = this.#entries.get(key)
    if (known !== undefined) return known
    if (this.#entries.size >= MAX) {
      this.refused++
      return undefined
    }
    const made = {
      kind,
      service,
      other,
      signature: new Signature(),
      deviated: false,
      callee: 0,
      via: 0,
      streak: 0,
      notableUs: Number.POSITIVE_INFINITY,
      badEpochs: 0,
      failures: 0,
      explained: 0,
    }
    this.#entries.set(key, made)
    return made
  }

  [Symbol.iterator](): IterableIterator<Entry> {
    return this.#entries.values()
  }

  /** Places without a call since then go. */
  forgetBefore(lastS: number): void {
    for (const [key, { signature }] of this.#entries) if (signature.lastS < lastS) this.#entries.delete(key)
  }
}
