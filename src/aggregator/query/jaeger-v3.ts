/** Jaeger's query API v3 (proto api_v3/query_service.proto): what its UI from 2.15 on and Grafana read. */
import { inPortions } from '../portions.ts'
import type { ApiResponse } from '../store/protocol.ts'
import { map } from './aggregates.ts'
import { BadQuery, json, Parameters as OwnParameters, type Parameters, type QueryContext } from './context.ts'
import { durationOf, jaegerTraces, operations, serviceNames } from './jaeger-search.ts'
import { tracesData } from './otlp-json-out.ts'
import { traceIdOf } from './search.ts'

const BASE = '/api/v3/'

export async function jaegerV3(path: string, parameters: Parameters, context: QueryContext): Promise<ApiResponse> {
  const route = path.slice(BASE.length)
  if (route === 'services') return json({ services: await serviceNames(context) })
  if (route === 'operations') return json({ operations: await operationsOf(parameters, context) })
  if (route === 'traces') return traces(parameters, context)
  if (route === 'dependencies') return dependencies(parameters, context)
  if (route.startsWith('traces/')) return one(route.slice('traces/'.length), context)
  throw new BadQuery(`nothing is at ${path}`, 404)
}

/** Older clients write names with underscores. */
function given(parameters: Parameters, camel: string): string | undefined {
  const snake = camel.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
  return parameters.text(camel) ?? parameters.text(snake)
}

async function operationsOf(parameters: Parameters, context: QueryContext): Promise<object[]> {
  const service = parameters.text('service')
  if (service === undefined) throw new BadQuery('service is needed')
  return operations(service, given(parameters, 'spanKind')?.toLowerCase(), context)
}

async function one(id: string, context: QueryContext): Promise<ApiResponse> {
  const spans = await context.spans.trace(traceIdOf(id))
  if (spans.length === 0) throw new BadQuery('No traces found', 404)
  return json({ result: await inPortions(tracesData(spans.map(({ span }) => span))) })
}

async function traces(parameters: Parameters, context: QueryContext): Promise<ApiResponse> {
  const limit = given(parameters, 'query.searchDepth') ?? given(parameters, 'query.numTraces') ?? '20'
  const found = await jaegerTraces(
    {
      fromNs: timeOf(given(parameters, 'query.startTimeMin'), 'query.startTimeMin'),
      toNs: timeOf(given(parameters, 'query.startTimeMax'), 'query.startTimeMax'),
      service: given(parameters, 'query.serviceName'),
      operation: given(parameters, 'query.operationName'),
      minUs: durationOf(parameters, 'query.durationMin', 'query.duration_min'),
      maxUs: durationOf(parameters, 'query.durationMax', 'query.duration_max'),
      attributes: attributesOf(parameters.text('query.attributes')),
      limit: Math.min(200, Math.max(1, Number.parseInt(limit, 10) || 20)),
    },
    context,
  )
  if (found.length === 0) throw new BadQuery('No traces found', 404)
  return json({ result: await inPortions(tracesData(found.flat())) })
}

/** RFC 3339 with up to nine decimals, as nanoseconds. */
export function timeOf(text: string | undefined, name: string): bigint {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)$/.exec(text ?? '')
  const ms = match === null ? Number.NaN : Date.parse(`${match[1]}${match[3]}`)
  if (match === null || Number.isNaN(ms)) throw new BadQuery(`${name}: a time as RFC 3339 has it is needed`)
  return BigInt(ms) * 1_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'))
}

/** A JSON object of texts, as the UI sends it. */
function attributesOf(text: string | undefined): { key: string; value: string }[] {
  if (text === undefined) return []
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) {
      return Object.entries(value).map(([key, one]) => ({ key, value: String(one) }))
    }
  } catch {
    // Said below.
  }
  throw new BadQuery('query.attributes: a JSON object is expected')
}

async function dependencies(parameters: Parameters, context: QueryContext): Promise<ApiResponse> {
  const from = timeOf(given(parameters, 'startTime'), 'startTime') / 1_000_000n
  const to = timeOf(given(parameters, 'endTime'), 'endTime') / 1_000_000n
  return json({ dependencies: await dependencyList(Math.max(0, Number(from)), Number(to), context) })
}

/** Who calls whom, with counts. */
export async function dependencyList(fromMs: number, toMs: number, context: QueryContext): Promise<object[]> {
  const range = new OwnParameters(new URLSearchParams({ from: String(fromMs), to: String(toMs) }))
  const answer = await map(range, context)
  const { edges } = JSON.parse(answer.body as string) as {
    edges: { client: string | null; server: string; calls: number }[]
  }
  return edges.flatMap(({ client, server, calls }) =>
    client === null ? [] : { parent: client, child: server, callCount: calls, source: 'hopscope' },
  )
}
