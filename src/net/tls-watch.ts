/**
 * Times a TLS handshake from outside, by record headers alone (RFC 8446 §5.1): it is over when the client sends its
 * first record of type application_data, which in TLS 1.3 carries its Finished and in 1.2 its first request.
 */

const APPLICATION_DATA = 23
const HEADER_BYTES = 5
const TYPE = 0
const LENGTH_HIGH = 3
const LENGTH_LOW = 4

export class TlsWatch {
  #offset = 0
  #left = 0
  #length = 0

  /** Look at bytes of the client; true once the handshake is over. */
  feed(buf: Buffer, start: number, end: number): boolean {
    let at = start
    while (at < end) {
      if (this.#left > 0) {
        const skip = Math.min(this.#left, end - at)
        this.#left -= skip
        at += skip
        continue
      }
      const byte = buf[at++]!
      if (this.#offset === TYPE && byte === APPLICATION_DATA) return true
      if (this.#offset === LENGTH_HIGH) this.#length = byte << 8
      if (this.#offset === LENGTH_LOW) this.#left = this.#length | byte
      this.#offset = (this.#offset + 1) % HEADER_BYTES
    }
    return false
  }
}
