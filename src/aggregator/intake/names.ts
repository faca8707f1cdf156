/**
 * Names by number: services, hosts, span names, routes, error types. Spans repeat them without end, and a number is what
 * a column can hold. Bounded: when the table is full a new name becomes {@link OTHER}; the span itself still has it.
 */

/** No name. */
export const NONE = 0
/** A name that found no room. */
export const OTHER = 1

export interface NamesOptions {
  /** Names kept; 262144 by default. */
  readonly max?: number
  /** Longer ones are cut for the table; 256 bytes by default. */
  readonly maxBytes?: number
}

export class Names {
  readonly #texts: string[] = ['', '(other)']
  readonly #encoded: (Uint8Array | undefined)[] = [undefined, undefined]
  readonly #ids = new Map<string, number>()
  readonly #max: number
  readonly #maxBytes: number
  /** Open addressing over ids, by hash of the bytes. */
  #slots = new Int32Array(4096)
  /** Names that found no room. */
  refused = 0

  constructor({ max = 262_144, maxBytes = 256 }: NamesOptions = {}) {
    this.#max = max
    this.#maxBytes = maxBytes
  }

  /** Ids given so far; they run from 0. */
  get size(): number {
    return this.#texts.length
  }

  text(id: number): string {
    return this.#texts[id] ?? ''
  }

  /** Undefined where no span ever had the name. */
  find(text: string): number | undefined {
    return this.#ids.get(text)
  }

  /** The number of a name that is UTF-8 in `bytes`; bytes that are not UTF-8 become U+FFFD. */
  idOf(bytes: Uint8Array, at: number, end: number): number {
    const stop = end - at > this.#maxBytes ? at + this.#maxBytes : end
    if (stop === at) return NONE
    const slots = this.#slots
    const mask = slots.length - 1
    let slot = hashOf(bytes, at, stop) & mask
    for (let id = slots[slot]!; id !== 0; id = slots[slot]!) {
      if (isSame(this.#encoded[id]!, bytes, at, stop)) return id
      slot = (slot + 1) & mask
    }
    // A copy: slice() of a Buffer is none, and a segment's memory is used again.
    return this.#add(Buffer.from(bytes.subarray(at, stop)).toString('utf8'), new Uint8Array(bytes.subarray(at, stop)))
  }

  /** The number of a name; for what was stored before and for text that is at hand. */
  add(text: string): number {
    const bytes = Buffer.from(text, 'utf8')
    return this.idOf(bytes, 0, bytes.length)
  }

  /** Take over the names of an earlier run, from number 2 on; before any other. */
  restore(texts: readonly string[]): void {
    for (const text of texts) this.#append(text, new Uint8Array(Buffer.from(text, 'utf8')))
  }

  /** Names from number `first` on. */
  from(first: number): string[] {
    return this.#texts.slice(first)
  }

  #add(text: string, encoded: Uint8Array): number {
    if (this.#texts.length >= this.#max) {
      this.refused++
      return OTHER
    }
    return this.#append(text, encoded)
  }

  #append(text: string, encoded: Uint8Array): number {
    const id = this.#texts.length
    this.#texts.push(text)
    this.#encoded.push(encoded)
    if (!this.#ids.has(text)) this.#ids.set(text, id)
    if (this.#texts.length * 2 > this.#slots.length) this.#grow()
    else this.#put(id)
    return id
  }

  #put(id: number): void {
    const mask = this.#slots.length - 1
    const bytes = this.#encoded[id]!
    let slot = hashOf(bytes, 0, bytes.length) & mask
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask
    this.#slots[slot] = id
  }

  #grow(): void {
    this.#slots = new Int32Array(this.#slots.length * 2)
    for (let id = OTHER + 1; id < this.#texts.length; id++) this.#put(id)
  }
}

/**
 * 32 bits of a text, unsigned: four bytes a step, since the chain of multiplications is what it costs. Not made to stand
 * against who looks for collisions; they cost a comparison each.
 */
export function hashOf(bytes: Uint8Array, at: number, end: number, seed = 0x811c9dc5): number {
  let hash = seed ^ (end - at)
  let i = at
  for (; i + 4 <= end; i += 4) {
    const word = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24)
    hash = Math.imul(hash ^ word, 0x9e3779b1)
    // Else the high bits of a word would never reach the low ones of the next.
    hash ^= hash >>> 15
  }
  for (; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39)
  return (hash ^ (hash >>> 15)) >>> 0
}

function isSame(known: Uint8Array, bytes: Uint8Array, at: number, end: number): boolean {
  if (known.length !== end - at) return false
  for (let i = 0; i < known.length; i++) if (known[i] !== bytes[at + i]) return false
  return true
}
