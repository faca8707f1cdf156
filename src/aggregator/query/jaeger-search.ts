/** What both of Jaeger's APIs ask: the services, their operations, and the traces that match. */
import type { ReceivedSpan } from '../span.ts'
import { SPAN_KINDS } from '../span.ts'
import type { SpanFilter } from '../store/span-filter.ts'
import type { QueryContext, TimeRange } from './context.ts'
import { nameOf } from './search.ts'

export interface JaegerQuery extends TimeRange {
  readonly service: string | undefined
  readonly operation: string | undefined
  readonly minUs: number | undefined
  readonly maxUs: number | undefined
  readonly attributes: readonly { readonly key: string; readonly value: string }[]
  readonly limit: number
}

export async function serviceNames(context: QueryContext): Promise<string[]> {
  const ids = new Set<number>()
  for (const { db } of context.store.files) {
    for (const [id] of await context.store.engine.rows(`SELECT DISTINCT service FROM ${db}.spans`))
      ids.add(id as number)
  }
  for (const { view, extent } of context.window.hot) {
    for (let row = 0; row < extent.rows; row++) ids.add(view.service[row]!)
  }
  return [...ids]
    .map((id) => context.names.text(id))
    .filter((name) => name !== '')
    .sort()
}

export async function operations(
  service: string,
  kind: string | undefined,
  context: QueryContext,
): Promise<{ name: string; spanKind: string }[]> {
  const id = nameOf(service, context)
  const found = new Map<string, { name: string; spanKind: string }>()
  const put = (name: number, kindNumber: number): void => {
    const spanKind = SPAN_KINDS[kindNumber] ?? 'unspecified'
    if (kind !== undefined && kind !== spanKind) return
    found.set(`${name} ${kindNumber}`, { name: context.names.text(name), spanKind })
  }
  for (const { db } of context.store.files) {
    const rows = await context.store.engine.rows(
      `SELECT DISTINCT name, kind FROM ${db}.spans WHERE service = ${id} LIMIT 10000`,
    )
    for (const [name, kindNumber] of rows) put(name as number, kindNumber as number)
  }
  for (const { view, extent } of context.window.hot) {
    for (let row = 0; row < extent.rows; row++) if (view.service[row] === id) put(view.name[row]!, view.kind[row]!)
  }
  return [...found.values()].sort((a, b) => a.name.localeCompare(b.name))
}

/** Matching traces, latest first, with all their spans. */
export async function jaegerTraces(query: JaegerQuery, context: QueryContext): Promise<ReceivedSpan[][]> {
  const attributes = query.attributes.filter(({ key }) => key !== 'error')
  const failed = query.attributes.find(({ key }) => key === 'error')?.value
  const filter: SpanFilter = {
    fromNs: query.fromNs,
    toNs: query.toNs,
    service: nameOf(query.service, context),
    name: nameOf(query.operation, context),
    minUs: query.minUs,
    maxUs: query.maxUs,
    failed: failed === undefined ? undefined : failed === 'true',
    attributes,
  }
  const hits = await context.reader.search(filter, query.limit * 8, context.window, query.limit)
  const ids = [...new Set(hits.map(({ traceId }) => traceId))].slice(0, query.limit)
  const traces: ReceivedSpan[][] = []
  for (const id of ids) {
    const spans = await context.reader.trace(id, context.window)
    traces.push(spans.map(({ span }) => span))
  }
  return traces
}

/** `100ms`, `1.5s`, `300us` (Go's durations) as microseconds; undefined where it is none. */
export function durationUsOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const units: Readonly<Record<string, number>> = { ns: 0.001, us: 1, µs: 1, ms: 1000, s: 1e6, m: 60e6, h: 3600e6 }
  let us = 0
  let rest = text
  while (rest !== '') {
    const match = /^(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/.exec(rest)
    if (match === null) return undefined
    us += Number(match[1]) * units[match[2]!]!
    rest = rest.slice(match[0].length)
  }
  return us
}
