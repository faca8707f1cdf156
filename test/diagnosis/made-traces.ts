/** Traces by hand: assembled from a few spans, and diagnosed. */
import { assemble } from '../../src/aggregator/assembly/assemble.ts'
import type { AssembledTrace, Hop } from '../../src/aggregator/assembly/hop.ts'
import type { TraceDiagnosis } from '../../src/aggregator/diagnosis/diagnosis.ts'
import type { Expectations } from '../../src/aggregator/diagnosis/slowness.ts'
import { type DiagnoseOptions, diagnose } from '../../src/aggregator/diagnosis/trace-diagnosis.ts'
import { atOnce } from '../../src/aggregator/portions.ts'
import { type Made, made } from '../aggregator/made-spans.ts'

const SERVED = new Map([
  ['orders.mesh', 'orders'],
  ['payments.mesh', 'payments'],
  ['stock.mesh', 'stock'],
])

export function diagnosed(spans: readonly Made[], expected?: Expectations): TraceDiagnosis {
  const { trace, options } = assembled(spans)
  return atOnce(diagnose(trace, { ...options, ...(expected && { expected }) }))
}

/** How often diagnosis reads something of a hop. */
export function hopReads(spans: readonly Made[]): number {
  const { trace, options } = assembled(spans)
  let reads = 0
  const get = (hop: Hop, key: string): unknown => {
    reads++
    return hop[key as keyof Hop]
  }
  atOnce(diagnose({ ...trace, hops: trace.hops.map((hop) => new Proxy(hop, { get: get as never })) }, options))
  return reads
}

function assembled(spans: readonly Made[]): { trace: AssembledTrace; options: DiagnoseOptions } {
  const received = spans.map(made)
  const servedBy = (peer: string): string | undefined => SERVED.get(peer)
  const stored = received.map((span) => ({ span, receivedMs: 1000 }))
  const trace = atOnce(assemble(stored, { traceId: '1'.repeat(32), nowMs: 100_000, learnt: [], servedBy }))
  const byId = new Map(received.map((span) => [span.spanId, span]))
  return { trace, options: { spanOf: (id) => byId.get(id), servedBy } }
}

type Attributes = NonNullable<Made['attributes']>
type More = Omit<Made, 'spanId' | 'attributes'> & {
  readonly http?: number
  readonly error?: string
  readonly attributes?: Attributes
}

let nextId = 1

/** An inbound hop of a sidecar, or the server span of any tracer. */
export function served(service: string, parentSpanId: string, more: More = {}): Made {
  return hop(service, parentSpanId, 'server', 'inbound', more)
}

/** An outbound hop of a sidecar. */
export function called(service: string, parentSpanId: string, peer: string, more: More = {}): Made {
  return hop(service, parentSpanId, 'client', 'outbound', {
    ...more,
    attributes: { 'server.address': peer, ...more.attributes },
  })
}

function hop(service: string, parentSpanId: string, kind: 'server' | 'client', direction: string, more: More): Made {
  const { http = 200, error, attributes = {}, ...rest } = more
  const failed =
    more.failed ?? (error !== undefined && error !== 'client_closed' ? true : http >= (kind === 'client' ? 400 : 500))
  return {
    spanId: (nextId++).toString(16).padStart(16, '0'),
    parentSpanId,
    ...{ service, kind, failed, ...rest },
    attributes: {
      ...{ 'hopscope.direction': direction, 'url.path': '/x' },
      ...(http === 0 ? {} : { 'http.response.status_code': http }),
      ...(error === undefined ? {} : { 'hopscope.error.code': error }),
      ...attributes,
    },
  }
}

/** Spans of another tracer: nothing of ours in them. */
export function plain(span: Made): Made {
  const { 'hopscope.direction': _, ...attributes } = span.attributes ?? {}
  return { ...span, attributes }
}
