/** Spans as rows of OpenTelemetry's ClickHouse exporter. */
import { plainValue } from '../query/trace.ts'
import {
  type Attributes,
  type AttributeValue,
  type ReceivedSpan,
  SPAN_KINDS,
  STATUS_CODES,
  serviceOf,
} from '../span.ts'

export interface Row {
  readonly TraceId: string
  readonly SpanId: string
  readonly [column: string]: unknown
}

const capital = (word: string): string => word[0]!.toUpperCase() + word.slice(1)

/** Beyond it, in 2262, DateTime64(9) overflows: the insert would fail, and nothing behind it would ever be stored. */
const LATEST_NS = 2n ** 63n - 1n

/** Ten digits of seconds and nine decimals: DateTime64(9) takes seconds of eight digits and fewer for part of a date. */
function timeOf(ns: bigint): string {
  const text = String(ns < LATEST_NS ? ns : LATEST_NS).padStart(19, '0')
  return `${text.slice(0, -9)}.${text.slice(-9)}`
}

export function rowOf(span: ReceivedSpan): Row {
  const { events, links } = span
  return {
    Timestamp: timeOf(span.startNs),
    TraceId: span.traceId,
    SpanId: span.spanId,
    ParentSpanId: span.parentSpanId,
    TraceState: span.traceState,
    SpanName: span.name,
    SpanKind: capital(span.kind),
    ServiceName: serviceOf(span),
    ResourceAttributes: texts(span.resource),
    ScopeName: span.scope?.name ?? '',
    ScopeVersion: span.scope?.version ?? '',
    SpanAttributes: texts(span.attributes),
    Duration: String(span.endNs > span.startNs ? span.endNs - span.startNs : 0n),
    StatusCode: capital(span.status.code),
    StatusMessage: span.status.message,
    'Events.Timestamp': events.map(({ timeNs }) => timeOf(timeNs)),
    'Events.Name': events.map(({ name }) => name),
    'Events.Attributes': events.map(({ attributes }) => texts(attributes)),
    'Links.TraceId': links.map(({ traceId }) => traceId),
    'Links.SpanId': links.map(({ spanId }) => spanId),
    'Links.TraceState': links.map(() => ''),
    'Links.Attributes': links.map(({ attributes }) => texts(attributes)),
  }
}

function texts(attributes: Attributes): Record<string, string> {
  return Object.fromEntries([...attributes].map(([key, value]) => [key, textOf(value)]))
}

/** Text as it is, all else as JSON, as the exporter has it. */
function textOf(value: AttributeValue): string {
  if (value === null) return ''
  const plain = plainValue(value)
  return typeof plain === 'string' ? plain : JSON.stringify(plain)
}

const TEXT: Attributes = new Map([['key', 'text']])

/** What any table that fits takes: of each kind and status one, with something in every column. */
export const PLAIN_ROWS: readonly Row[] = SPAN_KINDS.map((kind, i) =>
  rowOf({
    ...{
      traceId: 'a'.repeat(32),
      spanId: 'b'.repeat(16),
      parentSpanId: 'c'.repeat(16),
      traceState: 'a=b',
      name: 'name',
    },
    ...{
      kind,
      startNs: 1_700_000_000_123_456_789n,
      endNs: 1_700_000_000_123_456_790n,
      attributes: TEXT,
      resource: TEXT,
    },
    events: [{ timeNs: 1_700_000_000_123_456_789n, name: 'name', attributes: TEXT }],
    links: [{ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), attributes: TEXT }],
    status: { code: STATUS_CODES[i % STATUS_CODES.length]!, message: 'text' },
    ...{ flags: 1, scope: { name: 'name', version: '1' }, wireBytes: 0 },
  }),
)
