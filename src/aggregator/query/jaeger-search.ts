/** What both of Jaeger's APIs ask: the services, their operations, and the traces that match. */
import type { ReceivedSpan } from '../span.ts'
import { SPAN_KINDS } from '../span.ts'
import type { SpanQuery } from '../store/span-filter.ts'
import { BadQuery, type Parameters, type QueryContext, type TimeRange } from './context.ts'
import { tuples } from './rows.ts'

export interface JaegerQuery extends TimeRange {
  readonly service: string | undefined
  readonly operation: string | undefined
  readonly minUs: number | undefined
  readonly maxUs: number | undefined
  readonly attributes: readonly { readonly key: string; readonly value: string }[]
  readonly limit: number
}

const EVER = { fromNs: 0n, toNs: 2n ** 63n - 1n }

export async function serviceNames(context: QueryContext): Promise<string[]> {
  const answers = await context.spans.rows({ of: 'serviceNames', ...EVER })
  const names = new Set(tuples<[string]>(answers).map(([name]) => name))
  return [...names].filter((name) => name !== '').sort()
}

export async function operations(
  service: string,
  kind: string | undefined,
  context: QueryContext,
): Promise<{ name: string; spanKind: string }[]> {
  const answers = await context.spans.rows({ of: 'operations', ...EVER, service })
  const found = new Map<string, { name: string; spanKind: string }>()
  for (const [name, kindNumber] of tuples<[string, number]>(answers)) {
    const spanKind = SPAN_KINDS[kindNumber] ?? 'unspecified'
    if (kind === undefined || kind === spanKind) found.set(`${kindNumber} ${name}`, { name, spanKind })
  }
  return [...found.values()].sort((a, b) => a.name.localeCompare(b.name))
}

/** Matching traces, latest first, with all their spans. */
export async function jaegerTraces(query: JaegerQuery, context: QueryContext): Promise<ReceivedSpan[][]> {
  const attributes = query.attributes.filter(({ key }) => key !== 'error')
  const failed = query.attributes.find(({ key }) => key === 'error')?.value
  const wanted: SpanQuery = {
    fromNs: query.fromNs,
    toNs: query.toNs,
    service: query.service,
    name: query.operation,
    minUs: query.minUs,
    maxUs: query.maxUs,
    failed: failed === undefined ? undefined : failed === 'true',
    attributes,
  }
  const hits = await context.spans.search(wanted, query.limit * 8, query.limit)
  const ids = [...new Set(hits.map(({ traceId }) => traceId))].slice(0, query.limit)
  const traces: ReceivedSpan[][] = []
  for (const id of ids) {
    const spans = await context.spans.trace(id)
    traces.push(spans.map(({ span }) => span))
  }
  return traces
}

/** The first of the parameters that is there, as microseconds. */
export function durationOf(parameters: Parameters, ...names: readonly string[]): number | undefined {
  const name = names.find((one) => parameters.text(one) !== undefined)
  if (name === undefined) return undefined
  const us = durationUsOf(parameters.text(name))
  if (us === undefined || us > MOST_US) throw new BadQuery(`${name}: a duration such as 100ms is expected`)
  return us
}

const MOST_US = 1e18

/** `100ms`, `1.5s`, `300us` (Go's durations, and days, which Jaeger's UI has) as microseconds; undefined where it is none. */
export function durationUsOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const units: Readonly<Record<string, number>> = {
    ns: 0.001,
    us: 1,
    µs: 1,
    ms: 1000,
    s: 1e6,
    m: 60e6,
    h: 3600e6,
    d: 86_400e6,
  }
  let us = 0
  let rest = text
  while (rest !== '') {
    const match = /^(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)/.exec(rest)
    if (match === null) return undefined
    us += Number(match[1]) * units[match[2]!]!
    rest = rest.slice(match[0].length)
  }
  return us
}
