/**
 * What our readers make of a stream of bytes, as text that can be compared: with the same bytes in other pieces, and
 * with what another parser makes of them. The loops are those of the server and of the upstream connection, without
 * their sockets.
 */
import type { HeaderBlock } from '../../src/core/headers.ts'
import { RequestHead, ResponseHead } from '../../src/core/message.ts'
import { BodyReader, type BodySink } from '../../src/http/message/body-reader.ts'
import { HeldBytes } from '../../src/http/message/held-bytes.ts'
import { RequestReader } from '../../src/http/message/request-reader.ts'
import { ResponseReader } from '../../src/http/message/response-reader.ts'
import { FAULT } from '../../src/http/message/section-reader.ts'

export const LIMITS = {
  headBytes: 65_536,
  headFields: 200,
  requestLineBytes: 16_384,
  chunkExtensionBytes: 4096,
}

/**
 * `more`: in the middle of a message; `done`: at the end of one; `stopped`: at the end of the last one (close, CONNECT,
 * 101), what follows is not HTTP; `refused`.
 */
export type End = 'more' | 'done' | 'stopped' | 'refused'

const IDLE = 0
const HEAD = 1
const BODY = 2
const OVER = 3

/** Marks in the text: begin of a message, of its body, of its trailers, end of it. */
export const MARK = { head: '\u0001', body: '\u0002', trailers: '\u0003', end: '\u0004' } as const

export function fieldsText(fields: readonly string[]): string {
  let text = ''
  for (let i = 0; i + 1 < fields.length; i += 2) text += `${fields[i]}: ${fields[i + 1]}\n`
  return text
}

/** All fields as received, those that the reader has taken out included. */
function receivedFields(block: HeaderBlock): string {
  let text = ''
  for (let i = 0; i < block.count; i++) text += `${block.nameAt(i)}: ${block.valueAt(i)}\n`
  return text
}

/** The loop that both directions share. */
abstract class Transcriber implements BodySink {
  protected readonly body = new BodyReader(LIMITS, this)
  readonly #held = new HeldBytes()
  protected state = IDLE
  #fresh = true
  #refused = false
  #offset = 0
  /** What was read, with marks. */
  text = ''
  /** Messages complete. */
  messages = 0
  /** Error code of the refusal. */
  code = ''
  detail = ''
  /** Offset of every message in the stream. */
  starts: number[] = []

  /** Read these pieces as a stream of its own. */
  run(pieces: readonly Buffer[]): this {
    this.text = ''
    this.messages = 0
    this.code = ''
    this.detail = ''
    this.starts = []
    this.#refused = false
    this.#offset = 0
    this.#held.clear()
    this.body.begin(0)
    this.toIdle()
    for (const piece of pieces) this.#feed(piece)
    return this
  }

  get end(): End {
    if (this.#refused) return 'refused'
    if (this.state === OVER) return 'stopped'
    return this.state === IDLE || (this.state === HEAD && this.#fresh) ? 'done' : 'more'
  }

  /** Body bytes are being read; false in heads and at rest. */
  get inBody(): boolean {
    return this.state === BODY
  }

  #feed(piece: Buffer): void {
    if (this.#held.length === 0) {
      const used = this.#read(piece, 0, piece.length)
      if (used < piece.length) this.#held.keep(piece, used, piece.length)
    } else {
      this.#held.keep(piece, 0, piece.length)
      this.#held.drop(this.#read(this.#held.bytes, 0, this.#held.length))
    }
  }

  #read(buf: Buffer, start: number, end: number): number {
    let at = start
    while (at < end) {
      let before = at
      if (this.state === IDLE) {
        at = this.skip(buf, at, end)
        this.#offset += at - before
      }
      const skipped = at - before
      before = at
      if (this.state === HEAD) at = this.#readHead(buf, at, end)
      else if (this.state === BODY) at = this.#readBody(buf, at, end)
      else if (this.state === OVER) at = end
      this.#offset += at - before
      if (at === before && skipped === 0) break
    }
    return at
  }

  #readHead(buf: Buffer, at: number, end: number): number {
    const length = this.head(buf, at, end, this.#fresh)
    this.#fresh = false
    if (length === FAULT) return this.#refuse(end)
    if (length === 0) return at
    this.starts.push(this.#offset)
    this.text += this.headText()
    this.#fresh = true
    const size = this.bodyLength()
    this.state = BODY
    this.body.begin(size)
    if (!this.body.active) this.onBodyEnd(undefined)
    return at + length
  }

  #readBody(buf: Buffer, at: number, end: number): number {
    const used = this.body.read(buf, at, end)
    if (used !== FAULT) return used
    this.code = this.body.inTrailers ? 'bad_trailer' : 'bad_chunk'
    this.detail = this.body.detail
    return this.#refuse(end)
  }

  #refuse(end: number): number {
    this.#refused = true
    this.state = OVER
    return end
  }

  onBody(buf: Buffer, start: number, end: number): void {
    this.text += buf.toString('latin1', start, end)
  }

  onBodyEnd(trailers: HeaderBlock | undefined): void {
    this.text += `${MARK.trailers}${trailers === undefined ? '' : receivedFields(trailers)}${MARK.end}`
    this.messages++
    if (this.isLast()) this.state = OVER
    else this.toIdle()
  }

  protected toIdle(): void {
    this.state = IDLE
    this.#fresh = true
  }

  /** Bytes between messages; sets the state to HEAD where one begins. */
  protected abstract skip(buf: Buffer, at: number, end: number): number
  protected abstract head(buf: Buffer, at: number, end: number, fresh: boolean): number
  protected abstract headText(): string
  protected abstract bodyLength(): number
  protected abstract isLast(): boolean
}

/** Methods that llhttp takes on any HTTP request; it has a list, we take every token. */
const COMMON_METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH', 'CONNECT'])
export const STAND_IN = 'POST'
const MAX_EMPTY_BYTES = 4

/** Requests. */
export class RequestTranscriber extends Transcriber {
  readonly #reader = new RequestReader(LIMITS)
  readonly #head = new RequestHead()
  #skipped = 0
  /** Methods by message, as received. */
  methods: string[] = []

  override run(pieces: readonly Buffer[]): this {
    this.methods = []
    return super.run(pieces)
  }

  protected override toIdle(): void {
    super.toIdle()
    this.#skipped = 0
  }

  protected skip(buf: Buffer, start: number, end: number): number {
    let at = start
    while (at + 1 < end && this.#skipped < MAX_EMPTY_BYTES && buf[at] === 13 && buf[at + 1] === 10) {
      at += 2
      this.#skipped += 2
    }
    if (at >= end || (buf[at] === 13 && at + 1 >= end && this.#skipped < MAX_EMPTY_BYTES)) return at
    this.state = HEAD
    return at
  }

  protected head(buf: Buffer, at: number, end: number, fresh: boolean): number {
    const length = this.#reader.read(buf, at, end, this.#head, fresh)
    if (length === FAULT) {
      this.code = this.#reader.error!.code
      this.detail = this.#reader.error!.detail
    }
    return length
  }

  protected headText(): string {
    const { method, target, version, headers } = this.#head
    this.methods.push(method)
    const shown = COMMON_METHODS.has(method) ? method : STAND_IN
    return `${MARK.head}${shown} ${target} ${version}\n${receivedFields(headers)}${MARK.body}`
  }

  protected bodyLength(): number {
    return this.#head.bodyLength
  }

  protected isLast(): boolean {
    return !this.#head.keepAlive || this.#head.method === 'CONNECT'
  }
}

/** Responses, all of them to requests with one method. */
export class ResponseTranscriber extends Transcriber {
  readonly #reader = new ResponseReader(LIMITS)
  readonly #head = new ResponseHead()
  requestMethod = 'GET'

  protected skip(_buf: Buffer, at: number): number {
    this.state = HEAD
    return at
  }

  protected head(buf: Buffer, at: number, end: number, fresh: boolean): number {
    const length = this.#reader.read(buf, at, end, this.#head, this.requestMethod, fresh)
    if (length === FAULT) {
      this.code = this.#reader.error!.code
      this.detail = this.#reader.error!.detail
    }
    return length
  }

  protected headText(): string {
    const { status, reason, version, headers } = this.#head
    return `${MARK.head}${status} ${reason} ${version}\n${receivedFields(headers)}${MARK.body}`
  }

  protected bodyLength(): number {
    return this.#head.bodyLength
  }

  protected isLast(): boolean {
    return this.#head.status === 101 || !this.#head.keepAlive
  }

  /** The connection ended: whether that completes what was being read. */
  closeCompletes(): boolean {
    return this.body.active ? this.body.close() : this.end !== 'more'
  }
}
