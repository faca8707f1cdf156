/** Segments into ClickHouse as well, before they count as stored: a server that is away holds intake back, and loses nothing. */
import { type ClickHouseClient, ClickHouseLogLevel, createClient } from '@clickhouse/client'
import type { SegmentExtent, SegmentView } from '../intake/segment.ts'
import { plainValue } from '../query/trace.ts'
import { type Attributes, type AttributeValue, type ReceivedSpan, serviceOf } from '../span.ts'
import { decodeRow } from './block-reader.ts'
import { Delivery, type Refused } from './clickhouse-refusals.ts'
import { CREATE_TRACE_TIMES_VIEW, createTraces, createTraceTimes } from './clickhouse-tables.ts'

export interface ClickHouseOptions {
  /** `http://host:8123`, a path names the database. */
  readonly url: string
  readonly username: string
  readonly password: string
  readonly retentionDays: number
  /** Of this data folder: with it and the number of a segment, an insert that is repeated is known. */
  readonly folderId: string
  /** Spans that the server refuses for good, and that it will not be asked to take again. */
  readonly onRefused: (refused: RefusedSpans) => void
}

/** By why they were refused; the first of them by its ids. */
export interface RefusedSpans {
  readonly reason: string
  readonly spans: number
  readonly traceId: string
  readonly spanId: string
}

const ROWS_AT_ONCE = 4096
const TIMEOUT_MS = 30_000

export class ClickHouseWriter {
  readonly #client: ClickHouseClient
  readonly #options: ClickHouseOptions
  /** Inserts of the segment under way that are there, so that one that fails behind them is no reason to send them again. */
  readonly #taken = new Set<string>()
  #prepared = false
  #refusedInSuccession = 0
  /** Number of the last segment that is there. */
  #written = -1

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

  /**
   * Rejects where not all of it is there; the same segment may then be written again. Spans that the server refuses for good
   * are left out.
   */
  async write(view: SegmentView, extent: SegmentExtent): Promise<void> {
    // Our own files failed after it.
    if (extent.sequence === this.#written) return
    await this.#prepare()
    let part = 0
    const insert = (rows: readonly Row[], portion: string): Promise<void> =>
      this.#insert(rows, `${this.#options.folderId}-${extent.sequence}-${part}${portion}`)
    const delivery = new Delivery<Row>(insert, this.#refusedInSuccession)
    let rows: Row[] = []
    for (let row = 0; row < extent.rows; row++) {
      const stored = view.duplicate[row] === 1 ? undefined : decodeRow(view, extent, row)
      if (stored !== undefined) rows.push(rowOf(stored.span))
      if (rows.length === ROWS_AT_ONCE) {
        await delivery.batch(rows)
        part++
        rows = []
      }
    }
    if (rows.length > 0) await delivery.batch(rows)
    this.#refusedInSuccession = delivery.inSuccession
    delivery.settle()
    this.#taken.clear()
    this.#written = extent.sequence
    for (const refused of delivery.refused) this.#options.onRefused(spansOf(refused))
  }

  close(): Promise<void> {
    return this.#client.close()
  }

  async #insert(values: readonly Row[], token: string): Promise<void> {
    if (this.#taken.has(token)) return
    const settings = { insert_deduplication_token: token, input_format_skip_unknown_fields: 0 } as const
    await this.#client.insert({ table: 'otel_traces', values, format: 'JSONEachRow', clickhouse_settings: settings })
    this.#taken.add(token)
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

/** Ten digits of seconds and nine decimals: DateTime64(9) takes seconds of eight digits and fewer for part of a date. */
function timeOf(ns: bigint): string {
  const text = String(ns < LATEST_NS ? ns : LATEST_NS).padStart(19, '0')
  return `${text.slice(0, -9)}.${text.slice(-9)}`
}

interface Row {
  readonly TraceId: string
  readonly SpanId: string
  readonly [column: string]: unknown
}

function spansOf({ reason, rows }: Refused<Row>): RefusedSpans {
  const { TraceId: traceId, SpanId: spanId } = rows[0]!
  return { reason, spans: rows.length, traceId, spanId }
}

function rowOf(span: ReceivedSpan): Row {
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
