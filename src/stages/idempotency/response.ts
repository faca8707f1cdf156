/** A response as it is kept, and as it is given again. */
import type { FieldReceiver, HeaderBlock } from '../../core/headers.ts'
import type { ResponseHead } from '../../core/message.ts'
import type { Answer } from '../../exchange/exchange.ts'
import type { IdempotencyRecord, StoredResponse } from '../../exchange/idempotency-store.ts'

/**
 * Not kept: what is of one connection or one message (RFC 9110 §7.6.1), what was meant for one client alone, and what
 * belongs to the trace of the first request. Names in lower case.
 */
const NOT_KEPT: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'content-length',
  'set-cookie',
  'set-cookie2',
  'www-authenticate',
  'authentication-info',
  'proxy-authenticate',
  'proxy-authentication-info',
  'alt-svc',
  'age',
  'x-request-id',
  'traceparent',
  'tracestate',
  'traceresponse',
  'server-timing',
  'b3',
  'x-b3-traceid',
  'x-b3-spanid',
  'x-b3-parentspanid',
  'x-b3-sampled',
  'x-b3-flags',
  'idempotent-replayed',
  'idempotent-original-request-id',
  'idempotency-status',
])

type Fields = readonly (readonly [string, string])[]

/** Names as they came, judged before: servers send the same ones again and again. */
const judged = new Map<string, boolean>()
const MAX_JUDGED = 1000

function isKept(name: string): boolean {
  const known = judged.get(name)
  if (known !== undefined) return known
  const kept = !NOT_KEPT.has(name.toLowerCase())
  if (judged.size < MAX_JUDGED) judged.set(name, kept)
  return kept
}

/** Takes what may be given again out of a section. */
class KeptFields implements FieldReceiver {
  readonly fields: [string, string][] = []

  onField(name: string, value: string): void {
    if (isKept(name)) this.fields.push([name, value])
  }
}

/** Fields that may be given again. */
export function keptFields(headers: HeaderBlock): Fields {
  const kept = new KeptFields()
  headers.sendTo(kept)
  return kept.fields
}

/** Bytes of bodies that recordings hold at once, all exchanges together. */
export class RecordingBudget {
  left: number

  constructor(bytes: number) {
    this.left = bytes
  }
}

/** Takes down a response while it streams by. */
export class Recording {
  readonly #status: number
  readonly #headers: Fields
  readonly #maxBytes: number
  readonly #budget: RecordingBudget
  #pieces: Buffer[] | undefined = []
  #held = 0
  #bytes = 0

  /** A body of more than `maxBytes`, or for which the budget does not suffice, is counted and not kept. */
  constructor(head: ResponseHead, maxBytes: number, budget: RecordingBudget) {
    this.#status = head.status
    this.#headers = keptFields(head.headers)
    this.#maxBytes = maxBytes
    this.#budget = budget
    if (head.bodyLength > maxBytes) this.#pieces = undefined
  }

  get status(): number {
    return this.#status
  }

  data(chunk: Buffer): void {
    this.#bytes += chunk.length
    if (this.#pieces === undefined) return
    if (this.#bytes > this.#maxBytes || chunk.length > this.#budget.left) {
      this.discard()
      return
    }
    this.#budget.left -= chunk.length
    this.#held += chunk.length
    this.#pieces.push(Buffer.from(chunk))
  }

  /** The response is complete. The body belongs to the result; the budget is given back by {@link discard}. */
  finish(trailers: HeaderBlock | undefined, completedMs: number): StoredResponse {
    const pieces = this.#pieces
    return {
      status: this.#status,
      headers: this.#headers,
      body: pieces === undefined ? undefined : pieces.length === 1 ? pieces[0] : Buffer.concat(pieces),
      bodyBytes: this.#bytes,
      trailers: trailers === undefined ? [] : keptFields(trailers),
      completedMs,
    }
  }

  discard(): void {
    this.#budget.left += this.#held
    this.#held = 0
    this.#pieces = undefined
  }
}

/** The response of `record` for one more request; undefined where its body was not kept. */
export function replayed(record: IdempotencyRecord, nowMs: number): Answer | undefined {
  const { response } = record
  if (response?.body === undefined) return undefined
  const ageS = Math.max(0, Math.floor((nowMs - response.completedMs) / 1000))
  const headers: (readonly [string, string])[] = [
    ...response.headers,
    ['Age', String(ageS)],
    ['Idempotent-Replayed', 'true'],
  ]
  if (record.requestId !== '') headers.push(['Idempotent-Original-Request-Id', record.requestId])
  return { status: response.status, headers, body: response.body, trailers: response.trailers }
}
