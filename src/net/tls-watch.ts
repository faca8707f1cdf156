/**
 * Finds the end of a TLS handshake from outside, by record headers alone. In 1.3 it is the client's first record of
 * type application_data, which carries its Finished (RFC 8446 §5.1, §2); those sent before the server's first byte are
 * early data. In 1.2 it is the later of the two Finished, the record after each side's change_cipher_spec (RFC 5246
 * §7.1): its application_data may come much later.
 */

const CHANGE_CIPHER_SPEC = 20
const APPLICATION_DATA = 23
const HEADER_BYTES = 5
const TYPE = 0
const LENGTH_HIGH = 3
const LENGTH_LOW = 4

/** Record headers of one direction, however the bytes are split. */
class Records {
  #offset = 0
  #left = 0
  #length = 0
  #changedCipher = false
  spoke = false
  /** A record came after the change of ciphers. */
  finished = false

  /** Calls `onType` with the type of each record that begins in these bytes. */
  feed(buf: Buffer, start: number, end: number, onType?: (type: number) => void): void {
    let at = start
    if (at < end) this.spoke = true
    while (at < end) {
      if (this.#left > 0) {
        const skip = Math.min(this.#left, end - at)
        this.#left -= skip
        at += skip
        continue
      }
      const byte = buf[at++]!
      if (this.#offset === TYPE) this.#begin(byte, onType)
      if (this.#offset === LENGTH_HIGH) this.#length = byte << 8
      if (this.#offset === LENGTH_LOW) this.#left = this.#length | byte
      this.#offset = (this.#offset + 1) % HEADER_BYTES
    }
  }

  #begin(type: number, onType: ((type: number) => void) | undefined): void {
    if (this.#changedCipher) this.finished = true
    if (type === CHANGE_CIPHER_SPEC) this.#changedCipher = true
    onType?.(type)
  }
}

/** Watches both directions of a tunnel. */
export class TlsWatch {
  readonly #client = new Records()
  readonly #server = new Records()
  #over = false

  /** Look at bytes of the client; true once the handshake is over. */
  client(buf: Buffer, start: number, end: number): boolean {
    this.#client.feed(buf, start, end, this.#onClientType)
    return this.#isOver()
  }

  /** Look at bytes of the server; true once the handshake is over. */
  server(buf: Buffer, start: number, end: number): boolean {
    this.#server.feed(buf, start, end)
    return this.#isOver()
  }

  readonly #onClientType = (type: number): void => {
    if (type === APPLICATION_DATA && this.#server.spoke) this.#over = true
  }

  #isOver(): boolean {
    if (this.#client.finished && this.#server.finished) this.#over = true
    return this.#over
  }
}
