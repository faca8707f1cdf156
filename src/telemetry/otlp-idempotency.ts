/** What idempotency and correlation add to a span: the outcome, and a link (trace.proto Span.Link). Made once, copied. */
import { IDEMPOTENCY_OUTCOMES, type IdempotencyOutcome } from '../exchange/exchange.ts'
import { AttributeSink } from './otlp-attributes.ts'
import { IDEMPOTENCY } from './otlp-keys.ts'
import { keyValue } from './otlp-rare.ts'

const scratch = new AttributeSink(Buffer.alloc(256))
const outcomes = new Map<IdempotencyOutcome, Uint8Array>(
  IDEMPOTENCY_OUTCOMES.map((outcome) => {
    scratch.string(IDEMPOTENCY, outcome)
    return [outcome, scratch.cut(0)]
  }),
)

/** The attribute that tells how a request with a key ended. */
export const outcomeBlock = (outcome: IdempotencyOutcome): Uint8Array => outcomes.get(outcome)!

/** What a link means, as an attribute (field 4) of it. */
function relation(key: string, value: string): Uint8Array {
  const attribute = keyValue(key, value).finish()
  return Buffer.from([0x22, attribute.length, ...attribute])
}

const ORIGINAL = relation('idempotency.relation', 'original')
const INFERRED = relation('correlation', 'inferred')
/** Both ids with their tags and lengths. */
const IDS_BYTES = 2 + 16 + 2 + 8

/** A link (field 13 of a Span) to the context whose trace id and span id stand as hex at `at` of a record. */
export function writeLink(sink: AttributeSink, from: Uint8Array, at: number, original: boolean): void {
  const meaning = original ? ORIGINAL : INFERRED
  sink.byte(0x6a)
  sink.byte(IDS_BYTES + meaning.length)
  sink.id(0x0a, 16, from, at)
  sink.id(0x12, 8, from, at + 32)
  sink.block(meaning)
}
