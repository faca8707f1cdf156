/** What replicas ask each other, and how questions and answers look on the way. Each answers for itself alone. */
import { BadQuery } from '../query/context.ts'
import type { LocalSpans } from '../query/local-spans.ts'
import type { Row, RowsQuestion } from '../query/rows.ts'
import type { SpanQuery } from '../store/span-filter.ts'
import { encodeParts } from '../store/span-parts.ts'
import type { SpanRow } from '../store/span-row.ts'

/** Another form of questions or answers gets another path; a replica that does not know it answers 404. */
export const ASK_PATH = '/replica/1/ask'
export const HELLO_PATH = '/replica/1/hello'
export const LIVE_PATH = '/replica/1/live'

export type Question =
  | { readonly ask: 'trace'; readonly traceId: string }
  | { readonly ask: 'search'; readonly query: SpanQuery; readonly limit: number; readonly traces: number }
  | { readonly ask: 'rowsOf'; readonly traceIds: readonly string[]; readonly fromNs: bigint; readonly toNs: bigint }
  | { readonly ask: 'rows'; readonly question: RowsQuestion }

/** What a replica says of itself. */
export interface Hello {
  readonly id: string
  /** Of its OTLP/gRPC receiver, 0 where it has none: senders know it by that. */
  readonly otlpPort: number
}

/** JSON with bigints, as `{"$n": "…"}`. */
export function toWire(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? { $n: String(one) } : one))
}

/** Throws where it is no JSON. */
export function fromWire(text: string): unknown {
  return JSON.parse(text, (_, one: unknown) => {
    if (typeof one !== 'object' || one === null || !('$n' in one)) return one
    return BigInt(one.$n as string)
  })
}

/** The answer of this replica. Throws BadQuery where the question cannot be understood. */
export async function answerOf(text: string, spans: LocalSpans): Promise<Buffer> {
  const question = questionOf(text)
  switch (question.ask) {
    case 'trace':
      return encodeParts(await spans.parts(question.traceId))
    case 'search':
      return Buffer.from(toWire(await spans.search(question.query, question.limit, question.traces)))
    case 'rowsOf':
      return Buffer.from(toWire(await spans.rowsOf(question.traceIds, question.fromNs, question.toNs)))
    case 'rows':
      return Buffer.from(toWire(await spans.localRows(question.question)))
    default:
      throw new BadQuery('a question that is not known here')
  }
}

function questionOf(text: string): Question {
  try {
    const value = fromWire(text)
    if (typeof value === 'object' && value !== null && 'ask' in value) return value as Question
  } catch {
    // Said below.
  }
  throw new BadQuery('not a question of a replica')
}

/** Throws where the answer is no list. */
export function rowsIn<T extends SpanRow | Row>(body: Buffer): T[] {
  const value = fromWire(body.toString())
  if (!Array.isArray(value)) throw new Error('the answer is no list')
  return value as T[]
}
