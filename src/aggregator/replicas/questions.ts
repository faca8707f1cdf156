/**
 * What replicas ask each other, read strictly: times and numbers of a question end up in SQL, and must be numbers whoever
 * holds the token.
 */
import { BadQuery } from '../query/context.ts'
import { ROWS_OF, type RowsOf, type RowsQuestion } from '../query/rows.ts'
import type { SpanQuery } from '../store/span-filter.ts'

export type Question =
  | { readonly ask: 'trace'; readonly traceId: string; readonly spanId?: string | undefined }
  | { readonly ask: 'search'; readonly query: SpanQuery; readonly limit: number; readonly traces: number }
  | { readonly ask: 'rowsOf'; readonly traceIds: readonly string[]; readonly fromNs: bigint; readonly toNs: bigint }
  | { readonly ask: 'rows'; readonly question: RowsQuestion }

const MAX_SPANS = 100_000
const MAX_TRACES = 2000
const MAX_HOSTS = 10_000
const MAX_ATTRIBUTES = 64

type Given = Readonly<Record<string, unknown>>

/** Throws BadQuery where `value` is no question. */
export function questionOf(value: unknown): Question {
  const given = record(value, 'a question')
  switch (given.ask) {
    case 'trace':
      return { ask: 'trace', traceId: traceId(given.traceId), spanId: maybeSpanId(given.spanId) }
    case 'search':
      return {
        ask: 'search',
        query: spanQuery(record(given.query, 'query')),
        limit: whole(given.limit, 'limit', MAX_SPANS),
        traces: whole(given.traces, 'traces', MAX_SPANS),
      }
    case 'rowsOf':
      return { ask: 'rowsOf', traceIds: list(given.traceIds, 'traceIds', MAX_TRACES).map(traceId), ...range(given) }
    case 'rows':
      return { ask: 'rows', question: rowsQuestion(record(given.question, 'question')) }
    default:
      throw new BadQuery('a question that is not known here')
  }
}

function rowsQuestion(given: Given): RowsQuestion {
  if (!ROWS_OF.includes(given.of as RowsOf)) throw new BadQuery('rows that are not known here')
  const { stepNs, hosts } = given
  return {
    ...{ of: given.of as RowsOf, ...range(given) },
    ...{ service: maybeText(given, 'service'), route: maybeText(given, 'route') },
    ...(stepNs === undefined ? {} : { stepNs: big(stepNs, 'stepNs', 1n) }),
    ...(hosts === undefined ? {} : { hosts: list(hosts, 'hosts', MAX_HOSTS).map((host) => text(host, 'hosts')) }),
  }
}

function spanQuery(given: Given): SpanQuery {
  const { failed } = given
  if (failed !== undefined && typeof failed !== 'boolean') throw new BadQuery('failed: true or false is expected')
  return {
    ...range(given),
    ...{ service: maybeText(given, 'service'), name: maybeText(given, 'name'), route: maybeText(given, 'route') },
    ...{ error: maybeText(given, 'error'), outcome: maybeText(given, 'outcome'), failed },
    ...{ kind: maybeNumber(given, 'kind'), httpFrom: maybeNumber(given, 'httpFrom') },
    ...{ httpTo: maybeNumber(given, 'httpTo'), minUs: maybeNumber(given, 'minUs'), maxUs: maybeNumber(given, 'maxUs') },
    requestId: given.requestId === undefined ? undefined : big(given.requestId, 'requestId'),
    idempotency: given.idempotency === undefined ? undefined : big(given.idempotency, 'idempotency'),
    attributes: list(given.attributes, 'attributes', MAX_ATTRIBUTES).map((one) => {
      const { key, value } = record(one, 'attributes')
      return { key: text(key, 'attributes'), value: text(value, 'attributes') }
    }),
  }
}

const range = (given: Given): { fromNs: bigint; toNs: bigint } => ({
  fromNs: big(given.fromNs, 'fromNs'),
  toNs: big(given.toNs, 'toNs'),
})

function record(value: unknown, name: string): Given {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Given
  throw new BadQuery(`${name}: an object is expected`)
}

function list(value: unknown, name: string, most: number): readonly unknown[] {
  if (Array.isArray(value) && value.length <= most) return value
  throw new BadQuery(`${name}: a list of at most ${most} is expected`)
}

function text(value: unknown, name: string): string {
  if (typeof value === 'string') return value
  throw new BadQuery(`${name}: a text is expected`)
}

const maybeText = (given: Given, name: string): string | undefined =>
  given[name] === undefined ? undefined : text(given[name], name)

function maybeNumber(given: Given, name: string): number | undefined {
  const value = given[name]
  if (value === undefined || (typeof value === 'number' && Number.isFinite(value))) return value
  throw new BadQuery(`${name}: a number is expected`)
}

function whole(value: unknown, name: string, most: number): number {
  if (Number.isInteger(value) && (value as number) > 0 && (value as number) <= most) return value as number
  throw new BadQuery(`${name}: a whole number from 1 to ${most} is expected`)
}

/** At most what 64 bits hold. */
function big(value: unknown, name: string, least = 0n): bigint {
  if (typeof value === 'bigint' && value >= least && value < 2n ** 64n) return value
  throw new BadQuery(`${name}: a large number from ${least} is expected`)
}

function maybeSpanId(value: unknown): string | undefined {
  if (value === undefined || (typeof value === 'string' && /^[0-9a-f]{16}$/.test(value))) return value
  throw new BadQuery('a span id is expected')
}

function traceId(value: unknown): string {
  if (typeof value === 'string' && /^[0-9a-f]{32}$/.test(value)) return value
  throw new BadQuery('a trace id is expected')
}
