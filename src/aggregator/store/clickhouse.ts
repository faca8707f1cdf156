/** Segments into ClickHouse as well, before they count as stored: a server that is away holds intake back, and loses nothing. */
import { type ClickHouseClient, ClickHouseLogLevel, createClient } from '@clickhouse/client'
import type { SegmentExtent, SegmentView } from '../intake/segment.ts'
import { plainValue } from '../query/trace.ts'
import { type Attributes, type AttributeValue, type ReceivedSpan, serviceOf } from '../span.ts'
import { decodeRow } from './block-reader.ts'
import { CREATE_TRACE_TIMES_VIEW, createTraces, createTraceTimes } from './clickhouse-tables.ts'

export interface ClickHouseOptions {
  /** `http://host:8123`, a path names the database. */
  readonly url: string
  readonly username: string
  readonly password: string
  readonly retentionDays: number
  /** Of this data folder: with it and the number of a segment, an insert that is repeated is known. */
  readonly folderId: string
}

const ROWS_AT_ONCE = 4096
const TIMEOUT_MS = 30_000

export class ClickHouseWriter {
  readonly #client: ClickHouseClient
  readonly #options: ClickHouseOptions
  #prepared = false

  constructor(options: ClickHouseOptions) {
    this.#options = options
    const { url, username, password } = options
    this.#client = createClient({
      ...{ url, username, password, request_timeout: TIMEOUT_MS, application: 'hopscope' },
      compression: { request: true },
      // What goes wrong is said by whoever asked.
      log: { level: ClickHouseLogLevel.OFF },
    })
  }

  /** Rejects where not all of it is there; the same segment may then be written again. */
  async write(view: SegmentView, extent: SegmentExtent): Promise<void> {
    await this.#prepare()
    let rows: object[] = []
    let part = 0
    for (let row = 0; row < extent.rows; row++) {
      const stored = view.duplicate[row] === 1 ? undefined : decodeRow(view, extent, row)
      if (stored !== undefined) rows.push(rowOf(stored.span))
      if (rows.length === ROWS_AT_ONCE) {
        await this.#insert(rows, extent.sequence, part++)
        rows = []
      }
    }
    if (rows.length > 0) await this.#insert(rows, extent.sequence, part)
  }

  close(): Promise<void> {
    return this.#client.close()
  }

  async #insert(values: object[], sequence: number, part: number): Promise<void> {
    const token = `${this.#options.folderId}-${sequence}-${part}`
    const settings = { insert_deduplication_token: token, input_format_skip_unknown_fields: 0 } as const
    await this.#client.insert({ table: 'otel_traces', values, format: 'JSONEachRow', clickhouse_settings: settings })
  }

  /** The server may come later than we do. */
  async #prepare(): Promise<void> {
    if (this.#prepared) return
    const { retentionDays } = this.#options
    for (const query of [createTraces(retentionDays), createTraceTimes(retentionDays), CREATE_TRACE_TIMES_VIEW]) {
      await this.#client.command({ query })
    }
    this.#prepared = true
  }
}

const capital = (word: string): string => word[0]!.toUpperCase() + word.slice(1)

/** Beyond it, in 2262, DateTime64(9) overflows: the insert would fail, and nothing behind it would ever be stored. */
const LATEST_NS = 2n ** 63n - 1n

/** Seconds with nine decimals, as DateTime64(9) reads them. */
function timeOf(ns: bigint): string {
  const text = String(ns < LATEST_NS ? ns : LATEST_NS).padStart(10, '0')
  return `${text.slice(0, -9)}.${text.slice(-9)}`
}

function rowOf(span: ReceivedSpan): object {
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
