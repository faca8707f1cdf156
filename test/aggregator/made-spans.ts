/** Spans as the decoder gives them, with what a test cares for. */
import type { AttributeValue, ReceivedSpan } from '../../src/aggregator/span.ts'

/** Milliseconds are from a fixed moment; `attributes` and `service` are short for what a span carries them as. */
export interface Made {
  readonly spanId: string
  readonly parentSpanId?: string
  readonly traceId?: string
  readonly service?: string
  readonly startMs?: number
  readonly ms?: number
  readonly name?: string
  readonly kind?: ReceivedSpan['kind']
  readonly failed?: boolean
  readonly wireBytes?: number
  readonly attributes?: Readonly<Record<string, AttributeValue>>
}

const ORIGIN_NS = 1_789_000_000_000_000_000n

export function made(from: Made): ReceivedSpan {
  const startNs = ORIGIN_NS + BigInt(Math.round((from.startMs ?? 0) * 1e6))
  return {
    traceId: from.traceId ?? '1'.repeat(32),
    spanId: from.spanId,
    parentSpanId: from.parentSpanId ?? '',
    traceState: '',
    name: from.name ?? 'GET',
    kind: from.kind ?? 'server',
    startNs,
    endNs: startNs + BigInt(Math.round((from.ms ?? 1) * 1e6)),
    attributes: new Map(Object.entries(from.attributes ?? {})),
    events: [],
    links: [],
    status: { code: from.failed === true ? 'error' : 'unset', message: '' },
    flags: 1,
    resource: new Map([['service.name', from.service ?? 'shop']]),
    wireBytes: from.wireBytes ?? 100,
  }
}
