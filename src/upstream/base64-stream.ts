/** Base64 in pieces, as bodies of `application/grpc-web-text` have it: a body may be several texts, each with padding. */

const PADDING = 64
const INVALID = 255
/** Value of a character, or one of the two above. */
const VALUES = new Uint8Array(256).fill(INVALID)
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
for (let i = 0; i < ALPHABET.length; i++) VALUES[ALPHABET.charCodeAt(i)] = i
VALUES['='.charCodeAt(0)] = PADDING

/** Decodes; what is left of a group of four characters waits for the next piece. */
export class Base64Reader {
  /** Bits of the group under way. */
  #bits = 0
  #characters = 0
  #paddings = 0

  /** Every group was complete. */
  get whole(): boolean {
    return this.#characters === 0
  }

  /** The bytes of `buf[start, end)`, undefined where it is no base64. */
  read(buf: Buffer, start: number, end: number): Buffer | undefined {
    const out = Buffer.allocUnsafe((((end - start + 3) >> 2) + 1) * 3)
    let to = 0
    for (let at = start; at < end; at++) {
      const value = VALUES[buf[at]!]!
      if (value === PADDING) {
        if (this.#characters < 2) return undefined
        this.#paddings++
      } else if (value === INVALID || this.#paddings > 0) return undefined
      this.#bits = (this.#bits << 6) | (value & 63)
      if (++this.#characters < 4) continue
      out[to] = this.#bits >> 16
      out[to + 1] = this.#bits >> 8
      out[to + 2] = this.#bits
      to += 3 - this.#paddings
      this.#bits = this.#characters = this.#paddings = 0
    }
    return out.subarray(0, to)
  }
}

/** A piece as a base64 text of its own, so that nothing of it waits for the next. */
export function base64Piece(buf: Buffer, start: number, end: number): Buffer {
  return Buffer.from(buf.toString('base64', start, end), 'latin1')
}
