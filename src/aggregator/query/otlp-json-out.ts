/** Spans as OTLP/JSON TracesData, which Jaeger's v3 API answers with. */
import type { Attributes, AttributeValue, ReceivedSpan } from '../span.ts'
import { SPAN_KINDS, STATUS_CODES } from '../span.ts'

export function tracesData(spans: readonly ReceivedSpan[]): object {
  const groups = new Map<string, ReceivedSpan[]>()
  for (const span of spans) {
    const key = JSON.stringify([attributesOf(span.resource), span.scope ?? null])
    const known = groups.get(key)
    if (known === undefined) groups.set(key, [span])
    else known.push(span)
  }
  const resourceSpans = [...groups.values()].map((group) => ({
    resource: { attributes: attributesOf(group[0]!.resource) },
    scopeSpans: [{ scope: group[0]!.scope ?? {}, spans: group.map(spanOf) }],
  }))
  return { resourceSpans }
}

function spanOf(span: ReceivedSpan): object {
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    ...(span.parentSpanId !== '' && { parentSpanId: span.parentSpanId }),
    ...(span.traceState !== '' && { traceState: span.traceState }),
    flags: span.flags,
    name: span.name,
    kind: SPAN_KINDS.indexOf(span.kind),
    startTimeUnixNano: String(span.startNs),
    endTimeUnixNano: String(span.endNs),
    attributes: attributesOf(span.attributes),
    events: span.events.map(({ timeNs, name, attributes }) => ({
      ...{ timeUnixNano: String(timeNs), name, attributes: attributesOf(attributes) },
    })),
    links: span.links.map(({ traceId, spanId, attributes }) => ({
      ...{ traceId, spanId, attributes: attributesOf(attributes) },
    })),
    status: {
      code: STATUS_CODES.indexOf(span.status.code),
      ...(span.status.message && { message: span.status.message }),
    },
  }
}

function attributesOf(attributes: Attributes): object[] {
  return [...attributes].map(([key, value]) => ({ key, value: anyValue(value) }))
}

function anyValue(value: AttributeValue): object {
  if (value === null) return {}
  if (typeof value === 'string') return { stringValue: value }
  if (typeof value === 'boolean') return { boolValue: value }
  if (typeof value === 'bigint') return { intValue: String(value) }
  if (typeof value === 'number') return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value }
  if (value instanceof Uint8Array) return { bytesValue: Buffer.from(value).toString('base64') }
  if (Array.isArray(value)) return { arrayValue: { values: value.map(anyValue) } }
  return { kvlistValue: { values: attributesOf(value as Attributes) } }
}
