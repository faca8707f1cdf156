/** `search` and `spans`: which traces, or which spans, match. */
import { putHash } from '../intake/span-scan.ts'
import { SPAN_KINDS } from '../span.ts'
import type { ApiResponse } from '../store/protocol.ts'
import type { SpanQuery } from '../store/span-filter.ts'
import { type SpanRow, wordsToNumber } from '../store/span-row.ts'
import { BadQuery, json, type Parameters, type QueryContext, type TimeRange, timeRange } from './context.ts'

export const FILTERS = [
  ...['from', 'to', 'lastMs', 'service', 'route', 'name', 'kind', 'status', 'http', 'error', 'outcome'],
  ...['minMs', 'maxMs', 'attribute', 'requestId', 'idempotencyKeyHash', 'limit', 'traceId'],
]
const MAX_TRACES = 500
const MAX_SPANS = 100_000
/** Spans that are looked at for each trace wanted: several of them match in one trace. */
const SPANS_PER_TRACE = 8
const AROUND_NS = 600_000_000_000n

/** A line of the list of traces. */
export interface TraceSummary {
  readonly traceId: string
  /** Of the root, or of the earliest span. */
  readonly service: string
  readonly name: string
  readonly route: string
  readonly http: number
  readonly startNs: string
  readonly durationUs: number
  readonly spans: number
  readonly errors: number
  readonly services: readonly string[]
  readonly rootSeen: boolean
  /** Spans of it that matched, by what was looked at. */
  readonly matched: number
}

export async function search(parameters: Parameters, context: QueryContext): Promise<ApiResponse> {
  parameters.only(FILTERS)
  const limit = parameters.int('limit', 1, MAX_TRACES) ?? 50
  const wanted = parameters.text('traceId')
  if (wanted !== undefined) {
    const rows = await context.spans.rowsOf([traceIdOf(wanted)], 0n, 2n ** 63n - 1n)
    return json({ traces: summaries(rows, new Map([[traceIdOf(wanted), rows.length]])) })
  }
  const found = await findTraces(queryOf(parameters, context.nowMs), limit, context)
  return json({ traces: found })
}

/** Traces with a span that matches, latest first. */
export async function findTraces(query: SpanQuery, limit: number, context: QueryContext): Promise<TraceSummary[]> {
  const hits = await context.spans.search(query, limit * SPANS_PER_TRACE, limit)
  const matched = new Map<string, number>()
  for (const { traceId } of hits) {
    const count = matched.get(traceId)
    if (count !== undefined || matched.size < limit) matched.set(traceId, (count ?? 0) + 1)
  }
  const rows = await context.spans.rowsOf([...matched.keys()], ...around(hits))
  return summaries(rows, matched)
}

/** The spans of a trace are near each other in time; looking further would cost each file. */
function around(rows: readonly SpanRow[]): [bigint, bigint] {
  let [least, most] = [rows[0]?.startNs ?? 0n, 0n]
  for (const { startNs } of rows) {
    if (startNs < least) least = startNs
    if (startNs > most) most = startNs
  }
  return [least - AROUND_NS, most + AROUND_NS]
}

export async function spans(parameters: Parameters, context: QueryContext): Promise<ApiResponse> {
  parameters.only(FILTERS)
  const limit = parameters.int('limit', 1, MAX_SPANS) ?? 200
  const rows = await context.spans.search(queryOf(parameters, context.nowMs), limit)
  return json({ spans: rows.map((row) => ({ ...row, startNs: String(row.startNs) })) })
}

export function traceIdOf(text: string): string {
  const id = text.toLowerCase()
  if (!/^[0-9a-f]{1,32}$/.test(id)) throw new BadQuery('a trace id has 32 hexadecimal digits')
  return id.padStart(32, '0')
}

function queryOf(parameters: Parameters, nowMs: number): SpanQuery {
  const range = timeRange(parameters, nowMs)
  const [httpFrom, httpTo] = httpRange(parameters.text('http'))
  const min = parameters.number('minMs')
  const max = parameters.number('maxMs')
  return {
    ...range,
    service: parameters.text('service'),
    route: parameters.text('route'),
    name: parameters.text('name'),
    error: parameters.text('error'),
    outcome: parameters.text('outcome'),
    kind: kindOf(parameters.text('kind')),
    failed: failedOf(parameters.text('status')),
    httpFrom,
    httpTo,
    minUs: min === undefined ? undefined : min * 1000,
    maxUs: max === undefined ? undefined : max * 1000,
    requestId: hashNumber(parameters.text('requestId')),
    idempotency: hashNumber(parameters.text('idempotencyKeyHash')),
    attributes: parameters.all('attribute').map(attributeOf),
  }
}

export function hashNumber(text: string | undefined): bigint | undefined {
  if (text === undefined) return undefined
  const bytes = Buffer.from(text)
  const words = new Uint32Array(2)
  putHash(bytes, 0, bytes.length, words, 0)
  return wordsToNumber(words, 0)
}

function kindOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const kind = SPAN_KINDS.indexOf(text as (typeof SPAN_KINDS)[number])
  if (kind < 0) throw new BadQuery(`kind: one of ${SPAN_KINDS.join(', ')} is expected`)
  return kind
}

function failedOf(text: string | undefined): boolean | undefined {
  if (text === undefined) return undefined
  if (text !== 'error' && text !== 'ok') throw new BadQuery('status: error or ok is expected')
  return text === 'error'
}

/** `404`, `5xx` or `400-499`. */
function httpRange(text: string | undefined): [number | undefined, number | undefined] {
  if (text === undefined) return [undefined, undefined]
  const match = /^(?:(\d{3})|(\d)xx|(\d{3})-(\d{3}))$/.exec(text)
  if (match === null) throw new BadQuery('http: 404, 5xx or 400-499 is expected')
  if (match[1] !== undefined) return [Number(match[1]), Number(match[1])]
  if (match[2] !== undefined) return [Number(match[2]) * 100, Number(match[2]) * 100 + 99]
  return [Number(match[3]), Number(match[4])]
}

function attributeOf(text: string): { key: string; value: string } {
  const equals = text.indexOf('=')
  if (equals < 1) throw new BadQuery('attribute: key=value is expected')
  return { key: text.slice(0, equals), value: text.slice(equals + 1) }
}

/** One line a trace, in the order of `matched`. */
export function summaries(rows: readonly SpanRow[], matched: ReadonlyMap<string, number>): TraceSummary[] {
  const byTrace = new Map<string, SpanRow[]>()
  for (const row of rows) {
    const known = byTrace.get(row.traceId)
    if (known === undefined) byTrace.set(row.traceId, [row])
    else known.push(row)
  }
  return [...matched].flatMap(([traceId, count]) => {
    const own = byTrace.get(traceId)
    return own === undefined ? [] : summaryOf(traceId, own, count)
  })
}

function summaryOf(traceId: string, rows: readonly SpanRow[], matched: number): TraceSummary {
  let [startNs, endNs] = [rows[0]!.startNs, 0n]
  let errors = 0
  let head = rows[0]!
  const services = new Set<string>()
  for (const row of rows) {
    if (row.startNs < startNs) startNs = row.startNs
    const end = row.startNs + BigInt(Math.round(row.durationUs * 1000))
    if (end > endNs) endNs = end
    if (row.failed) errors++
    if (services.size < 64) services.add(row.service)
    if (isHead(row, head)) head = row
  }
  const { service, name, route, http } = head
  const durationUs = Number(endNs - startNs) / 1000
  const rootSeen = head.parentSpanId === ''
  return {
    ...{ traceId, service, name, route, http, startNs: String(startNs), durationUs, spans: rows.length, errors },
    ...{ services: [...services], rootSeen, matched },
  }
}

/** A root goes before all others, else the earlier. */
function isHead(row: SpanRow, head: SpanRow): boolean {
  const [isRoot, wasRoot] = [row.parentSpanId === '', head.parentSpanId === '']
  return isRoot === wasRoot ? row.startNs < head.startNs : isRoot
}

export type { TimeRange }
