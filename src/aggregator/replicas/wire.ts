/** How questions of replicas and answers look on the way. Each answers for itself alone. */
import { BadQuery } from '../query/context.ts'
import type { LocalSpans } from '../query/local-spans.ts'
import type { Row } from '../query/rows.ts'
import { encodeParts } from '../store/span-parts.ts'
import type { SpanRow } from '../store/span-row.ts'
import { questionOf } from './questions.ts'

/** Another form of questions or answers gets another path; a replica that does not know it answers 404. */
export const ASK_PATH = '/replica/1/ask'
export const HELLO_PATH = '/replica/1/hello'
export const LIVE_PATH = '/replica/1/live'
/** POST of a message of `core/recorder-protocol`: traces that are wanted. */
export const WANTED_PATH = '/replica/1/wanted'

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
  const question = questionOf(parsed(text))
  switch (question.ask) {
    case 'trace':
      return encodeParts(await spans.parts(question.traceId, question.spanId))
    case 'search':
      return Buffer.from(toWire(await spans.search(question.query, question.limit, question.traces)))
    case 'rowsOf':
      return Buffer.from(toWire(await spans.rowsOf(question.traceIds, question.fromNs, question.toNs)))
    case 'rows':
      return Buffer.from(toWire(await spans.localRows(question.question)))
  }
}

function parsed(text: string): unknown {
  try {
    return fromWire(text)
  } catch {
    throw new BadQuery('not a question of a replica')
  }
}

/** Throws where the answer is no list. */
export function rowsIn<T extends SpanRow | Row>(body: Buffer): T[] {
  const value = fromWire(body.toString())
  if (!Array.isArray(value)) throw new Error('the answer is no list')
  return value as T[]
}
