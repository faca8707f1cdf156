/** Bloom filters over the attributes of a block: which blocks can hold `key=value` at all. */
import { hashOf } from '../intake/names.ts'

const BITS_PER_TOKEN = 10
const PROBES = 6

/** The two hashes of a token, from which all probes are made. */
export interface Token {
  readonly a: number
  readonly b: number
}

/** Of an attribute; `value` is its text. */
export function tokenOf(key: string, value: string): Token {
  const [keyBytes, bytes] = [Buffer.from(key), Buffer.from(value)]
  const hash = keyHash(keyBytes, 0, keyBytes.length)
  const a = hashOf(bytes, 0, bytes.length, hash)
  return { a, b: secondOf(a, hash) }
}

/** Distinct texts with the same first hash share the second: what differs is found when the block is read. */
const secondOf = (a: number, key: number): number => (Math.imul(a ^ key, 0x9e3779b1) ^ (a >>> 7)) | 1

export const keyHash = hashOf

/** Distinct tokens of one block, and the filter made of them. */
export class TokenSet {
  /** Pairs of hashes, open addressing; the second of a pair is odd, so that 0 is free. */
  #slots = new Uint32Array(32_768)
  #count = 0

  /** `key` is the hash of the key by {@link keyHash}; the value stands in `bytes` from `at` to `end`. */
  add(key: number, bytes: Uint8Array, at: number, end: number): void {
    const a = hashOf(bytes, at, end, key)
    this.put(a, secondOf(a, key))
  }

  put(a: number, b: number): void {
    const slots = this.#slots
    const mask = slots.length / 2 - 1
    for (let slot = a & mask; ; slot = (slot + 1) & mask) {
      const at = slot * 2
      if (slots[at + 1] === 0) {
        slots[at] = a
        slots[at + 1] = b
        if (++this.#count * 4 > slots.length) this.#grow()
        return
      }
      if (slots[at] === a >>> 0 && slots[at + 1] === b >>> 0) return
    }
  }

  /** The filter; the set is empty afterwards. */
  take(): Uint8Array {
    const bits = Math.max(64, 2 ** Math.ceil(Math.log2(this.#count * BITS_PER_TOKEN + 1)))
    const filter = new Uint8Array(bits / 8)
    const slots = this.#slots
    for (let at = 0; at < slots.length; at += 2) {
      if (slots[at + 1] === 0) continue
      for (let probe = 0; probe < PROBES; probe++) {
        const bit = (slots[at]! + Math.imul(probe, slots[at + 1]!)) & (bits - 1)
        filter[bit >>> 3]! |= 1 << (bit & 7)
      }
    }
    slots.fill(0)
    this.#count = 0
    return filter
  }

  #grow(): void {
    const old = this.#slots
    this.#slots = new Uint32Array(old.length * 2)
    this.#count = 0
    for (let at = 0; at < old.length; at += 2) if (old[at + 1] !== 0) this.put(old[at]!, old[at + 1]!)
  }
}

export function mayHold(filter: Uint8Array, { a, b }: Token): boolean {
  const mask = filter.length * 8 - 1
  for (let probe = 0; probe < PROBES; probe++) {
    const bit = (a + Math.imul(probe, b)) & mask
    if ((filter[bit >>> 3]! & (1 << (bit & 7))) === 0) return false
  }
  return true
}
