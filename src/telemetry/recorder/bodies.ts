/** The first bytes of both bodies, kept beside an exchange until its record is written. Only where a setting asks. */
import type { Exchange } from '../../exchange/exchange.ts'
import type { Stage } from '../../exchange/stage.ts'
import { MAX_BODY } from '../record-layout.ts'

const NAME = 'recorder'
/** Two lengths of 16 bits stand before the bytes. */
const LENGTHS = 4

/** What is kept of one exchange. */
export class KeptBodies {
  readonly #bound: number
  #request: Buffer[] = []
  #response: Buffer[] = []
  #requestBytes = 0
  #responseBytes = 0

  constructor(bound: number) {
    this.#bound = bound
  }

  request(chunk: Buffer): void {
    const room = this.#bound - this.#requestBytes
    if (room <= 0) return
    // Copied: the buffer is the socket's.
    this.#request.push(Buffer.from(chunk.subarray(0, room)))
    this.#requestBytes += Math.min(room, chunk.length)
  }

  response(chunk: Buffer): void {
    const room = this.#bound - this.#responseBytes
    if (room <= 0) return
    this.#response.push(Buffer.from(chunk.subarray(0, room)))
    this.#responseBytes += Math.min(room, chunk.length)
  }

  get recordBytes(): number {
    return LENGTHS + this.#requestBytes + this.#responseBytes
  }

  copyTo(out: Buffer, at: number): void {
    out.writeUInt16LE(this.#requestBytes, at)
    out.writeUInt16LE(this.#responseBytes, at + 2)
    let to = at + LENGTHS
    for (const piece of [...this.#request, ...this.#response]) {
      out.set(piece, to)
      to += piece.length
    }
  }
}

/** Those of an exchange, where there are any. */
export function bodiesOf(x: Exchange): KeptBodies | undefined {
  const kept = x.bag?.get(NAME)
  return kept instanceof KeptBodies ? kept : undefined
}

function keptOf(x: Exchange, bound: number): KeptBodies {
  const known = bodiesOf(x)
  if (known !== undefined) return known
  const kept = new KeptBodies(bound)
  x.bag ??= new Map()
  x.bag.set(NAME, kept)
  return kept
}

/** Keeps up to `bytes` of each body. */
export function bodyKeeper(bytes: number): Stage {
  const bound = Math.min(bytes, MAX_BODY)
  return {
    name: NAME,
    role: 'observe',
    onRequestData(x, chunk) {
      keptOf(x, bound).request(chunk)
      return undefined
    },
    onResponseData(x, chunk) {
      keptOf(x, bound).response(chunk)
      return undefined
    },
  }
}
