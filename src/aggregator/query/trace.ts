/** `trace/{id}`: one trace, assembled. */
import { assemble } from '../assembly/assemble.ts'
import type { ClockSample } from '../assembly/clocks.ts'
import type { Hop } from '../assembly/hop.ts'
import { hostOf } from '../assembly/span-facts.ts'
import { diagnose } from '../diagnosis/trace-diagnosis.ts'
import { inPortions, jsonWith, mapped, type Steps } from '../portions.ts'
import type { Attributes, AttributeValue, ReceivedSpan } from '../span.ts'
import type { StoredSpan } from '../store/block-reader.ts'
import type { ApiResponse } from '../store/protocol.ts'
import { BadQuery, json, type Parameters, type QueryContext } from './context.ts'
import { tuples } from './rows.ts'
import { traceIdOf } from './search.ts'

/** Clock samples are taken from so much time on either side of the trace. */
const CLOCK_WINDOW_NS = 120_000_000_000n
/** With more spans the attributes come span by span. */
const SPANS_WITH_ATTRIBUTES = 2000

export async function trace(id: string, parameters: Parameters, context: QueryContext): Promise<ApiResponse> {
  parameters.only(['raw', 'attributes'])
  const traceId = traceIdOf(id)
  const spans = await context.spans.trace(traceId)
  if (spans.length === 0) throw new BadQuery(`no span of trace ${traceId}`, 404)
  const learnt = await clockSamples(spans, context)
  const raw = parameters.bool('raw') ?? false
  const byAddress = servedBy(context)
  const assembled = await inPortions(
    assemble(spans, { traceId, nowMs: context.nowMs, learnt, raw, servedBy: byAddress }),
  )
  const byId = new Map(spans.map(({ span }) => [span.spanId, span]))
  const expected = context.watch.expectations()
  const diagnosis = await inPortions(
    diagnose(assembled, { spanOf: (spanId) => byId.get(spanId), servedBy: byAddress, expected }),
  )
  const withAttributes = parameters.bool('attributes') ?? spans.length <= SPANS_WITH_ATTRIBUTES
  const whole = function* (): Steps<string> {
    const { hops, ...rest } = assembled
    const told = withAttributes ? yield* mapped(hops, (hop) => detailed(hop, byId.get(hop.spanId))) : hops
    return yield* jsonWith({ ...rest, diagnosis }, 'hops', told)
  }
  return { status: 200, contentType: 'application/json', body: await inPortions(whole()) }
}

/** `trace/{id}/span/{id}`: attributes, events and links of one span. */
export async function span(id: string, spanId: string, context: QueryContext): Promise<ApiResponse> {
  const found = await context.spans.span(traceIdOf(id), spanId.toLowerCase())
  if (found === undefined) throw new BadQuery(`no span ${spanId} in trace ${id}`, 404)
  return json({ spanId, ...details(found.span) })
}

const detailed = (hop: Hop, span: ReceivedSpan | undefined): object =>
  span === undefined ? hop : { ...hop, ...details(span) }

function details(span: ReceivedSpan): object {
  return {
    attributes: plain(span.attributes),
    resource: plain(span.resource),
    scope: span.scope ?? { name: '', version: '' },
    statusMessage: span.status.message,
    events: span.events.map(({ timeNs, name, attributes }) => ({
      ...{ timeNs: String(timeNs), name, attributes: plain(attributes) },
    })),
    links: span.links.map(({ traceId, spanId, attributes }) => ({ traceId, spanId, attributes: plain(attributes) })),
  }
}

/** As JSON has it: large integers as text, bytes as base64. */
export function plainValue(value: AttributeValue): unknown {
  if (typeof value === 'bigint') return String(value)
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (Array.isArray(value)) return value.map(plainValue)
  return plain(value as Attributes)
}

export function plain(attributes: Attributes): Record<string, unknown> {
  return Object.fromEntries([...attributes].map(([key, value]) => [key, plainValue(value)]))
}

function servedBy({ names, pairing }: QueryContext): (peer: string) => string | undefined {
  return (peer) => {
    const id = names.find(peer)
    const service = id === undefined ? undefined : pairing.servedBy(id)
    return service === undefined ? undefined : names.text(service)
  }
}

/** The best sample of each pair of the trace's hosts, out of all hops around its time. */
async function clockSamples(spans: readonly StoredSpan[], context: QueryContext): Promise<ClockSample[]> {
  const hosts = [...new Set(spans.map(({ span }) => hostOf(span)))]
  if (hosts.length < 2) return []
  const times = spans.map(({ span }) => span.startNs)
  const fromNs = times.reduce((least, time) => (time < least ? time : least)) - CLOCK_WINDOW_NS
  const toNs = times.reduce((most, time) => (time > most ? time : most)) + CLOCK_WINDOW_NS
  const answers = await context.spans.rows({ of: 'clockSamples', fromNs, toNs, hosts })
  const rows = tuples<[string, string, number, number, number]>(answers)
  return rows.map(([client, server, offsetUs, uncertaintyUs, samples]) => ({
    ...{ client, server, offsetUs, uncertaintyUs, samples },
  }))
}
