/** Writes messages: heads as text, bodies framed, in as few system calls as the moment allows. Both sides use it. */
import type { HeaderBlock } from '../../core/headers.ts'
import { latin1 } from '../../core/latin1.ts'
import { CHUNKED } from '../../core/message.ts'
import type { Wire } from '../../net/wire.ts'
import { mayTrail } from './trailers.ts'

/** Up to this size, body bytes join the held text: one write for head and body costs less than two. */
const INLINE_BYTES = 2048
/** Held text never grows over this. */
const HOLD_CHARS = 16 * 1024

/** Writer of the messages of one connection, one after the other. */
export class MessageWriter {
  readonly #wire: Wire
  #held = ''
  /** Where the held head ends, less its empty line; 0 once it left. */
  #headEnd = 0
  #chunked = false

  constructor(wire: Wire) {
    this.#wire = wire
  }

  /** Begin a message; the head is held until there is more or {@link flush} is called. */
  begin(head: string, bodyLength: number): void {
    this.#held += head
    this.#headEnd = this.#held.length - 2
    this.#chunked = bodyLength === CHUNKED
  }

  /** Add `Connection: close` to a head that did not leave yet. */
  announceClose(): void {
    if (this.#headEnd === 0) return
    this.#held = `${this.#held.slice(0, this.#headEnd)}Connection: close\r\n${this.#held.slice(this.#headEnd)}`
    this.#headEnd = 0
  }

  /** Write body bytes, copied. False: the socket is full. */
  data(buf: Buffer, start: number, end: number): boolean {
    const size = end - start
    if (size === 0) return true
    if (size <= INLINE_BYTES && this.#held.length + size <= HOLD_CHARS) {
      const text = latin1(buf, start, end)
      this.#held += this.#chunked ? `${size.toString(16)}\r\n${text}\r\n` : text
      // Small pieces fill a socket as well as large ones do.
      return !this.#wire.full
    }
    const before = this.#chunked ? `${this.#held}${size.toString(16)}\r\n` : this.#held
    this.#held = ''
    this.#headEnd = 0
    this.#wire.writeFramed(before, buf, start, end, this.#chunked ? '\r\n' : '')
    return !this.#wire.full
  }

  /** End the message and write out everything. `trailers` go only where the body is chunked. */
  end(trailers: HeaderBlock | undefined): void {
    if (this.#chunked) {
      this.#held += '0\r\n'
      if (trailers !== undefined) {
        for (const [name, value] of trailers.entries()) {
          if (mayTrail(name.toLowerCase())) this.#held += `${name}: ${value}\r\n`
        }
      }
      this.#held += '\r\n'
      this.#chunked = false
    }
    this.flush()
  }

  /** Hand what is held to the socket. */
  flush(): void {
    if (this.#held === '') return
    const text = this.#held
    this.#held = ''
    this.#headEnd = 0
    this.#wire.writeText(text)
  }
}
