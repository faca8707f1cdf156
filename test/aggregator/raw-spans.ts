/** Spans in the names of trace.proto, with what tests care for. */
import { id, type RawSpan } from './otlp-messages.ts'

export interface Wanted {
  readonly trace: string
  readonly span: string
  readonly parent?: string
  readonly kind?: 'server' | 'client' | 'internal'
  readonly name?: string
  /** Milliseconds from `ORIGIN_MS`. */
  readonly startMs?: number
  readonly ms?: number
  readonly failed?: boolean
  readonly attributes?: Readonly<Record<string, string | number | boolean | readonly string[]>>
}

/** A minute ago: searches look at the last hour. */
export const ORIGIN_MS = Math.floor(performance.timeOrigin + performance.now()) - 60_000

const KINDS = { internal: 1, server: 2, client: 3 }

export const nanos = (ms: number): string => String(BigInt(Math.round((ORIGIN_MS + ms) * 1000)) * 1000n)

function anyValue(value: string | number | boolean | readonly string[]): object {
  if (typeof value === 'string') return { string_value: value }
  if (typeof value === 'boolean') return { bool_value: value }
  if (typeof value === 'number') return Number.isInteger(value) ? { int_value: value } : { double_value: value }
  return { array_value: { values: value.map(anyValue) } }
}

/** Ids are padded with zeros on the left. */
export function rawSpan(wanted: Wanted): RawSpan {
  const { trace, span, parent, kind = 'server', name = 'GET', startMs = 0, ms = 1 } = wanted
  return {
    trace_id: id(trace.padStart(32, '0')),
    span_id: id(span.padStart(16, '0')),
    ...(parent !== undefined && { parent_span_id: id(parent.padStart(16, '0')) }),
    name,
    kind: KINDS[kind],
    start_time_unix_nano: nanos(startMs),
    end_time_unix_nano: nanos(startMs + ms),
    attributes: Object.entries(wanted.attributes ?? {}).map(([key, value]) => ({ key, value: anyValue(value) })),
    ...(wanted.failed === true && { status: { code: 2, message: 'broken' } }),
  }
}
