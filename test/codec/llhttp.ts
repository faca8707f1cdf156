/** Node's own HTTP/1 parser, llhttp in its strict mode, as an oracle: its reading of a stream in the form of ours. */
import { createRequire } from 'node:module'
import { fieldsText, MARK } from './transcript.ts'

interface NativeParser {
  initialize(type: number, resource: object, maxHeaderSize: number, lenientFlags: number): void
  /** Bytes read (fewer than given at an upgrade), or the error. */
  execute(bytes: Buffer): number | (Error & { code: string; reason: string; bytesParsed: number })
  free(): void
  [callback: number]: unknown
}

interface Binding {
  readonly HTTPParser: {
    new (): NativeParser
    readonly REQUEST: number
    readonly RESPONSE: number
    readonly kOnHeaders: number
    readonly kOnHeadersComplete: number
    readonly kOnBody: number
    readonly kOnMessageComplete: number
    readonly kLenientNone: number
  }
  /** By the parser's numbers, as far as the methods go that we compare. */
  readonly methods: readonly string[]
}

/** Deprecated, and the only way to the parser without a socket. On some versions the first use prints a warning. */
const { HTTPParser, methods } = createRequire(import.meta.url)('_http_common') as Binding
const MAX_HEADER_BYTES = 1 << 20

/** Reads one stream after the other. */
export class Llhttp {
  readonly #parser = new HTTPParser()
  readonly #type: number
  #fields: string[] = []
  #url = ''
  #inMessage = false
  #text = ''
  /** Messages complete. */
  messages = 0
  /** HPE_… of the refusal, '' where there was none. */
  code = ''
  reason = ''
  /** Responses: the requests were HEAD. */
  toHead = false

  constructor(type: 'request' | 'response') {
    this.#type = type === 'request' ? HTTPParser.REQUEST : HTTPParser.RESPONSE
    const parser = this.#parser
    parser[HTTPParser.kOnHeaders] = (fields: string[], url: string) => {
      this.#fields.push(...fields)
      this.#url += url
    }
    parser[HTTPParser.kOnHeadersComplete] = this.#onHead.bind(this)
    parser[HTTPParser.kOnBody] = (bytes: Buffer) => {
      this.#text += bytes.toString('latin1')
    }
    parser[HTTPParser.kOnMessageComplete] = () => {
      this.#text += `${MARK.trailers}${fieldsText(this.#fields)}${MARK.end}`
      this.#fields = []
      this.#url = ''
      this.#inMessage = false
      this.messages++
    }
  }

  #onHead(
    _major: number,
    minor: number,
    fields: string[] | undefined,
    method: number,
    url: string | undefined,
    status: number,
    reason: string,
  ): number {
    const all = fields ?? this.#fields
    const target = url ?? this.#url
    const version = _major * 10 + minor
    const line = this.#type === HTTPParser.REQUEST ? `${methods[method]} ${target}` : `${status} ${reason}`
    this.#text += `${MARK.head}${line} ${version}\n${fieldsText(all)}${MARK.body}`
    this.#fields = []
    this.#inMessage = true
    return this.toHead ? 1 : 0
  }

  get text(): string {
    return this.#text
  }

  /** A head was read and its message is not complete. */
  get inMessage(): boolean {
    return this.#inMessage
  }

  run(bytes: Buffer): this {
    this.#parser.initialize(this.#type, {}, MAX_HEADER_BYTES, HTTPParser.kLenientNone)
    this.#fields = []
    this.#url = ''
    this.#text = ''
    this.#inMessage = false
    this.messages = 0
    this.code = ''
    this.reason = ''
    let at = 0
    while (at < bytes.length) {
      const result = this.#parser.execute(bytes.subarray(at))
      if (typeof result !== 'number') {
        this.code = result.code
        this.reason = result.reason
        break
      }
      // Fewer bytes than given: the parser stopped at an upgrade that we do not follow. It goes on with the next.
      at += result
      if (result === 0) break
    }
    return this
  }
}
