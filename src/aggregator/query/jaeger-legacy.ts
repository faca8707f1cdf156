/** Jaeger's older JSON API, which Grafana's search and many scripts read: spans in the model of its UI. */

import { inPortions, mapped, type Steps } from '../portions.ts'
import type { Attributes, AttributeValue, ReceivedSpan } from '../span.ts'
import { durationUs, serviceOf } from '../span.ts'
import type { ApiResponse } from '../store/protocol.ts'
import { BadQuery, json, type Parameters, type QueryContext } from './context.ts'
import { durationOf, jaegerTraces, operations, serviceNames } from './jaeger-search.ts'
import { dependencyList } from './jaeger-v3.ts'
import { traceIdOf } from './search.ts'
import { plainValue } from './trace.ts'

const BASE = '/api/'

export async function jaegerLegacy(path: string, parameters: Parameters, context: QueryContext): Promise<ApiResponse> {
  const route = path.slice(BASE.length)
  if (route === 'services') return envelope(await serviceNames(context))
  if (route === 'operations') return envelope(await operationsOf(parameters.text('service'), parameters, context))
  if (route === 'traces') return envelope(await traces(parameters, context))
  if (route === 'dependencies') return envelope(await dependencies(parameters, context))
  const ofService = /^services\/([^/]+)\/operations$/.exec(route)
  if (ofService !== null) {
    const list = await operations(decoded(ofService[1]!), undefined, context)
    return envelope([...new Set(list.map(({ name }) => name))])
  }
  if (route.startsWith('traces/')) return envelope(await byIds([route.slice('traces/'.length)], context))
  throw new BadQuery(`nothing is at ${path}`, 404)
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw new BadQuery(`${part}: no text in percent-encoding`)
  }
}

function envelope(data: readonly unknown[]): ApiResponse {
  return json({ data, total: data.length, limit: 0, offset: 0, errors: null })
}

async function operationsOf(
  service: string | undefined,
  parameters: Parameters,
  context: QueryContext,
): Promise<object[]> {
  if (service === undefined) throw new BadQuery('service is needed')
  return operations(service, parameters.text('spanKind'), context)
}

async function traces(parameters: Parameters, context: QueryContext): Promise<object[]> {
  const ids = parameters.all('traceID')
  if (ids.length > 0) return byIds(ids, context)
  const service = parameters.text('service')
  if (service === undefined) throw new BadQuery('service is needed')
  const end = parameters.int('end', 0, 8.64e18) ?? context.nowMs * 1000 + 60e6
  const start = parameters.int('start', 0, 8.64e18) ?? end - (lookbackUs(parameters) ?? 3600e6)
  const found = await jaegerTraces(
    {
      fromNs: BigInt(Math.round(start)) * 1000n,
      toNs: BigInt(Math.round(end)) * 1000n,
      service,
      operation: parameters.text('operation'),
      minUs: durationOf(parameters, 'minDuration'),
      maxUs: durationOf(parameters, 'maxDuration'),
      attributes: tagsOf(parameters),
      limit: parameters.int('limit', 1, 1500) ?? 20,
    },
    context,
  )
  return inTurn(found)
}

function lookbackUs(parameters: Parameters): number | undefined {
  const lookback = parameters.text('lookback')
  return lookback === 'custom' ? undefined : durationOf(parameters, 'lookback')
}

/** `tags` is a JSON object, `tag` is `key:value`. */
function tagsOf(parameters: Parameters): { key: string; value: string }[] {
  const tags = parameters.text('tags')
  const single = parameters.all('tag').map((tag) => {
    const colon = tag.indexOf(':')
    if (colon < 1) throw new BadQuery('tag: key:value is expected')
    return { key: tag.slice(0, colon), value: tag.slice(colon + 1) }
  })
  if (tags === undefined) return single
  try {
    const value = JSON.parse(tags) as Record<string, unknown>
    if (typeof value !== 'object') throw new TypeError('no object')
    return [...single, ...Object.entries(value).map(([key, one]) => ({ key, value: String(one) }))]
  } catch {
    throw new BadQuery('tags: a JSON object is expected')
  }
}

async function byIds(ids: readonly string[], context: QueryContext): Promise<object[]> {
  const found: object[] = []
  for (const id of ids.slice(0, 100)) {
    const spans = await context.spans.trace(traceIdOf(id))
    if (spans.length > 0) found.push(await inPortions(traceOf(spans.map(({ span }) => span))))
  }
  if (found.length === 0) throw new BadQuery('trace not found', 404)
  return found
}

async function dependencies(parameters: Parameters, context: QueryContext): Promise<object[]> {
  const end = parameters.int('endTs', 0, 8.64e15) ?? Math.floor(context.nowMs)
  const lookback = parameters.int('lookback', 1, 8.64e15) ?? 86_400_000
  return dependencyList(Math.max(0, end - lookback), end, context)
}

async function inTurn(traces: readonly (readonly ReceivedSpan[])[]): Promise<object[]> {
  const found: object[] = []
  for (const spans of traces) found.push(await inPortions(traceOf(spans)))
  return found
}

interface Process {
  readonly serviceName: string
  readonly tags: readonly object[]
}

function* traceOf(spans: readonly ReceivedSpan[]): Steps<object> {
  const processes: Record<string, Process> = {}
  const keys = new Map<string, string>()
  // Most spans share the resource of the one before.
  const known = new Map<Attributes, string>()
  const processOf = (span: ReceivedSpan): string => {
    const id = known.get(span.resource) ?? newProcess(span)
    known.set(span.resource, id)
    return id
  }
  const newProcess = (span: ReceivedSpan): string => {
    const process = { serviceName: serviceOf(span), tags: tags(span.resource) }
    const key = JSON.stringify(process)
    const same = keys.get(key)
    if (same !== undefined) return same
    const id = `p${keys.size + 1}`
    keys.set(key, id)
    processes[id] = process
    return id
  }
  return {
    traceID: spans[0]!.traceId,
    spans: yield* mapped(spans, (span) => spanOf(span, processOf(span))),
    processes,
    warnings: null,
  }
}

function spanOf(span: ReceivedSpan, processID: string): object {
  const { traceId: traceID, spanId: spanID, parentSpanId } = span
  const parent = parentSpanId === '' ? [] : [{ refType: 'CHILD_OF', traceID, spanID: parentSpanId }]
  const links = span.links.map((link) => ({ refType: 'FOLLOWS_FROM', traceID: link.traceId, spanID: link.spanId }))
  const own: object[] = [{ key: 'span.kind', type: 'string', value: span.kind }]
  if (span.status.code === 'error') own.push({ key: 'error', type: 'bool', value: true })
  if (span.status.message !== '') {
    own.push({ key: 'otel.status_description', type: 'string', value: span.status.message })
  }
  return {
    ...{ traceID, spanID, processID, operationName: span.name, flags: span.flags & 0xff },
    references: [...parent, ...links],
    startTime: Number(span.startNs / 1000n),
    duration: Math.round(durationUs(span)),
    tags: [...tags(span.attributes), ...own],
    logs: span.events.map(({ timeNs, name, attributes }) => ({
      timestamp: Number(timeNs / 1000n),
      fields: [{ key: 'event', type: 'string', value: name }, ...tags(attributes)],
    })),
    warnings: null,
  }
}

function tags(attributes: Attributes): object[] {
  return [...attributes].map(([key, value]) => ({ key, type: typeOf(value), value: tagValue(value) }))
}

function typeOf(value: AttributeValue): string {
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'bigint') return 'int64'
  if (typeof value === 'number') return Number.isInteger(value) ? 'int64' : 'float64'
  return 'string'
}

function tagValue(value: AttributeValue): unknown {
  const plain = plainValue(value)
  return typeof plain === 'object' ? JSON.stringify(plain) : plain
}
