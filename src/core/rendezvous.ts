/**
 * Which of several receivers a trace belongs to: rendezvous hashing (Thaler and Ravishankar, 1998). Each receiver has a
 * score for each slot of traces, and the highest is the owner; without it the next is, and no other slot moves. Senders
 * and receivers that know the same names agree without asking each other.
 */

/** Traces are put into so many slots, so that scores are worked out when receivers change and not for each span. */
export const SLOTS = 4096
/** Receivers that are told apart; more are not used. */
export const MAX_RECEIVERS = 32

/** The finalizer of MurmurHash3: every bit of `hash` changes half of the result's. */
function mixed(hash: number): number {
  let h = hash
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** FNV-1a. */
const BASIS = 0x811c9dc5
const PRIME = 0x01000193

/** Slot of the trace whose id stands at `at` as 32 lower-case hex digits. Ids need not be random for it. */
export function slotOfBytes(bytes: Uint8Array, at: number): number {
  let hash = BASIS
  for (let i = at; i < at + 32; i++) hash = Math.imul(hash ^ bytes[i]!, PRIME)
  return mixed(hash) & (SLOTS - 1)
}

/** The same of a text. */
export function slotOfTrace(traceId: string): number {
  let hash = BASIS
  for (let i = 0; i < 32; i++) hash = Math.imul(hash ^ traceId.charCodeAt(i), PRIME)
  return mixed(hash) & (SLOTS - 1)
}

function seedOf(name: string): number {
  let hash = BASIS
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, PRIME)
  return mixed(hash)
}

export class Rendezvous {
  /** In an order of their own, whatever order they were given in. */
  readonly names: readonly string[]
  /** For each slot the indexes of all names, the best first. */
  readonly #order: Uint8Array

  /** Throws where there are more than {@link MAX_RECEIVERS}. A name that comes twice counts once. */
  constructor(names: readonly string[]) {
    this.names = [...new Set(names)].sort()
    const size = this.names.length
    if (size > MAX_RECEIVERS) throw new RangeError(`more than ${MAX_RECEIVERS} receivers`)
    const seeds = this.names.map(seedOf)
    const scores = new Float64Array(size)
    const indexes = this.names.map((_, index) => index)
    this.#order = new Uint8Array(SLOTS * size)
    for (let slot = 0; slot < SLOTS; slot++) {
      const salt = Math.imul(slot + 1, 0x9e3779b1)
      for (let i = 0; i < size; i++) scores[i] = mixed(seeds[i]! ^ mixed(salt))
      // Equal scores go by name, which is the order of the indexes.
      indexes.sort((a, b) => scores[b]! - scores[a]! || a - b)
      this.#order.set(indexes, slot * size)
    }
  }

  /** Index of the receiver that comes as number `rank` (0: the owner) for the slot. */
  at(slot: number, rank: number): number {
    return this.#order[slot * this.names.length + rank]!
  }

  /** The names in the order in which they take the slot. */
  order(slot: number): string[] {
    return this.names.map((_, rank) => this.names[this.at(slot, rank)]!)
  }
}
