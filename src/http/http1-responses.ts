/** Writes the responses of one HTTP/1.1 client connection, interim ones and those that leave HTTP included. */
import type { HeaderBlock } from '../core/headers.ts'
import { type RequestHead, type ResponseHead, UNTIL_CLOSE } from '../core/message.ts'
import type { Wire } from '../net/wire.ts'
import { informationalText, responseFraming, responseHeadText, switchingText } from './message/heads.ts'
import { MessageWriter } from './message/writer.ts'

/** The answers to the requests whose heads come in `request`, one after the other. */
export class Http1Responses {
  readonly #wire: Wire
  readonly #writer: MessageWriter
  readonly #request: RequestHead
  #bodiless = false

  constructor(wire: Wire, request: RequestHead) {
    this.#wire = wire
    this.#writer = new MessageWriter(wire)
    this.#request = request
  }

  /** A 1xx; clients of HTTP/1.0 know none (RFC 9110 §15.2). */
  informational(head: ResponseHead): void {
    if (this.#request.version !== 11) return
    this.#writer.begin(informationalText(head), 0)
    this.#writer.flush()
  }

  /** The final head, held until the first data or {@link flush}. Gives whether the connection closes behind the response. */
  begin(head: ResponseHead, closeAfter: boolean): boolean {
    const framing = responseFraming(head, this.#request.version)
    const close = closeAfter || framing === UNTIL_CLOSE
    const bodiless = this.#request.method === 'HEAD' || head.status === 204 || head.status === 304
    this.#bodiless = bodiless
    if (bodiless && head.statedLength < 0 && head.bodyLength > 0) head.statedLength = head.bodyLength
    this.#writer.begin(responseHeadText(head, framing, bodiless, close), bodiless ? 0 : framing)
    return close
  }

  /** The connection closes behind this response, which was not known at its head: say so if that is still held. */
  announceClose(): void {
    this.#writer.announceClose()
  }

  /** False: the socket is full. */
  data(buf: Buffer, start: number, end: number): boolean {
    return this.#bodiless || this.#writer.data(buf, start, end)
  }

  end(trailers: HeaderBlock | undefined): void {
    this.#writer.end(this.#request.wantsTrailers ? trailers : undefined)
  }

  flush(): void {
    this.#writer.flush()
  }

  /** The head after which the connection is a tunnel. */
  switchProtocols(head: ResponseHead): void {
    this.#wire.writeText(switchingText(head, this.#request.method === 'CONNECT'))
  }
}
