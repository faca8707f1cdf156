/**
 * The body of a response made here, at the pace of its client: a response that is given again may be large, and as many
 * as like may ask for it and read nothing.
 */
import { HeaderBlock } from '../core/headers.ts'
import type { Answer } from './exchange.ts'
import type { Downstream } from './ports.ts'

const PIECE_BYTES = 64 * 1024

export class OwnAnswer {
  readonly #body: Buffer
  readonly trailers: HeaderBlock | undefined
  /** Bytes handed over. */
  sentBytes = 0

  constructor({ body, trailers }: Answer) {
    this.#body = typeof body === 'string' ? Buffer.from(body) : body
    this.trailers = trailers?.length ? HeaderBlock.from(trailers) : undefined
  }

  /** True: all was handed over. False: the client's side is full, go on when it has drained. */
  send(down: Downstream): boolean {
    const { length } = this.#body
    while (this.sentBytes < length) {
      const from = this.sentBytes
      this.sentBytes = Math.min(from + PIECE_BYTES, length)
      if (!down.data(this.#body, from, this.sentBytes) && this.sentBytes < length) return false
    }
    return true
  }
}
