/** A response as it is kept, and as it is given again. */
import { copyOf, withPiece } from '../../core/bytes.ts'
import { type FieldFilter, fieldsOf } from '../../core/field-lines.ts'
import type { HeaderBlock } from '../../core/headers.ts'
import { KNOWN_NAMES } from '../../core/known-names.ts'
import type { ResponseHead } from '../../core/message.ts'
import type { Answer } from '../../exchange/exchange.ts'
import type { IdempotencyRecord, StoredResponse } from '../../exchange/idempotency-store.ts'
import type { Account, SharedBudget } from './shared-budget.ts'

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

/** Longest name in {@link NOT_KEPT}. */
const LONGEST = 32
/** By length and first letter of those names: nearly all others are told from them by that alone. */
const suspects = new Uint8Array((LONGEST + 1) * 128)
for (const name of NOT_KEPT) suspects[suspectOf(name)] = 1

/** In lower case; letters of names are ASCII. */
function suspectOf(name: string): number {
  return name.length * 128 + ((name.charCodeAt(0) | 0x20) & 0x7f)
}

const LEFT_OUT: FieldFilter = {
  known: Uint8Array.from(KNOWN_NAMES, (name) => (NOT_KEPT.has(name) ? 1 : 0)),
  has: (name) => name.length <= LONGEST && suspects[suspectOf(name)] === 1 && NOT_KEPT.has(name.toLowerCase()),
}

/** Takes down a response while it streams by. */
export class Recording {
  readonly #status: number
  readonly #headers: string
  readonly #maxBytes: number
  readonly #budget: SharedBudget
  #account: Account | undefined
  #pieces: Buffer[] | undefined = []
  #held = 0
  #bytes = 0

  /** A body of more than `maxBytes`, or for which the budget does not suffice, is counted and not kept. */
  constructor(head: ResponseHead, maxBytes: number, budget: SharedBudget, principal: string) {
    this.#status = head.status
    this.#headers = head.headers.linesWithout(LEFT_OUT)
    this.#maxBytes = maxBytes
    this.#budget = budget
    if (head.bodyLength > maxBytes) this.#pieces = undefined
    else this.#account = budget.open(principal)
  }

  get status(): number {
    return this.#status
  }

  data(buf: Buffer, start: number, end: number): void {
    const bytes = end - start
    this.#bytes += bytes
    if (this.#pieces === undefined || this.#account === undefined) return
    if (this.#bytes > this.#maxBytes || !this.#budget.take(this.#account, bytes)) {
      this.discard()
      return
    }
    this.#held += bytes
    this.#pieces = withPiece(this.#pieces, copyOf(buf, start, end))
  }

  /** The response is complete. The body belongs to the result; the budget is given back by {@link discard}. */
  finish(trailers: HeaderBlock | undefined, completedMs: number): StoredResponse {
    const pieces = this.#pieces
    return {
      status: this.#status,
      headers: this.#headers,
      body: pieces === undefined ? undefined : pieces.length === 1 ? pieces[0] : Buffer.concat(pieces),
      bodyBytes: this.#bytes,
      trailers: trailers === undefined ? '' : trailers.linesWithout(LEFT_OUT),
      completedMs,
    }
  }

  discard(): void {
    if (this.#account !== undefined) this.#budget.close(this.#account, this.#held)
    this.#account = undefined
    this.#held = 0
    this.#pieces = undefined
  }
}

/** The response of `record` for one more request; `body` is what it says. */
export function replayed(record: IdempotencyRecord, response: StoredResponse, body: Buffer, nowMs: number): Answer {
  const ageS = Math.max(0, Math.floor((nowMs - response.completedMs) / 1000))
  const headers: (readonly [string, string])[] = [
    ...fieldsOf(response.headers),
    ['Age', String(ageS)],
    ['Idempotent-Replayed', 'true'],
  ]
  if (record.requestId !== '') headers.push(['Idempotent-Original-Request-Id', record.requestId])
  return { status: response.status, headers, body, trailers: fieldsOf(response.trailers) }
}
