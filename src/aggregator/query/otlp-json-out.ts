/** Spans as OTLP/JSON TracesData, which Jaeger's v3 API answers with. */
import { mapped, type Steps } from '../portions.ts'
import type { Attributes, AttributeValue, ReceivedSpan } from '../span.ts'
import { SPAN_KINDS, STATUS_CODES } from '../span.ts'

export function* tracesData(spans: readonly ReceivedSpan[]): Steps<object> {
  const groups = new Map<string, ReceivedSpan[]>()
  let last: ReceivedSpan | undefined
  let group: ReceivedSpan[] = []
  for (const span of spans) {
    // Spans of one resource and scope often share them, and stand together.
    if (last === undefined || last.resource !== span.resource || last.scope !== span.scope) {
      yield
      const key = JSON.stringify([attributesOf(span.resource), span.scope ?? null])
      group = groups.get(key) ?? []
      groups.set(key, group)
    }
    last = span
    group.push(span)
  }
  const resourceSpans: object[] = []
  for (const list of groups.values()) {
    const { resource, scope = {} } = list[0]!
    const scopeSpans = [{ scope, spans: yield* mapped(list, spanOf) }]
    resourceSpans.push({ resource: { attributes: attributesOf(resource) }, scopeSpans })
  }
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
