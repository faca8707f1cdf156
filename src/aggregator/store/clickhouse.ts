/** Segments into ClickHouse as well, before they count as stored: a server that is away holds intake back, and loses nothing. */
import {
  type ClickHouseClient,
  ClickHouseError,
  ClickHouseLogLevel,
  type ClickHouseSettings,
  createClient,
} from '@clickhouse/client'
import type { SegmentExtent, SegmentView } from '../intake/segment.ts'
import { decodeRow } from './block-reader.ts'
import { Delivery, type Refused } from './clickhouse-refusals.ts'
import { PLAIN_ROWS, type Row, rowOf } from './clickhouse-rows.ts'
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
    const delivery = new Delivery<Row>(insert, () => this.#checkTable())
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
    this.#taken.clear()
    this.#written = extent.sequence
    for (const refused of delivery.refused) this.#options.onRefused(spansOf(refused))
  }

  close(): Promise<void> {
    return this.#client.close()
  }

  async #insert(values: readonly Row[], token: string): Promise<void> {
    if (this.#taken.has(token)) return
    await this.#insertInto('otel_traces', values, { insert_deduplication_token: token })
    this.#taken.add(token)
  }

  async #insertInto(table: string, values: readonly Row[], more: ClickHouseSettings): Promise<void> {
    const settings = { ...more, input_format_skip_unknown_fields: 0 } as const
    await this.#client.insert({ table, values, format: 'JSONEachRow', clickhouse_settings: settings })
  }

  /**
   * Rejects where the columns of the table do not take plain spans. They are read into its columns and written nowhere: what
   * a constraint or a view refuses is no matter of the columns.
   */
  async #checkTable(): Promise<void> {
    const described = await this.#client.query({ query: 'DESCRIBE TABLE otel_traces', format: 'JSONEachRow' })
    const columns = (await described.json<Column>()).filter(({ default_type: kind }) => !COMPUTED.includes(kind))
    const structure = columns.map(({ name, type }) => `${quotedName(name)} ${type}`).join()
    try {
      await this.#insertInto(`FUNCTION null(${quoted(structure)})`, PLAIN_ROWS, {})
    } catch (error) {
      if (!(error instanceof ClickHouseError)) throw error
      // Its words quote a plain span, nothing of a sender's.
      throw new Error(
        `ClickHouse refuses every span, they wait; of a plain one it says: ${error.type}: ${error.message}`,
      )
    }
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

/** A column as DESCRIBE TABLE has it. */
interface Column {
  readonly name: string
  readonly type: string
  readonly default_type: string
}

/** Columns that an insert cannot name. */
const COMPUTED: readonly string[] = ['MATERIALIZED', 'ALIAS']

const quoted = (text: string): string => `'${text.replaceAll(/[\\']/g, '\\$&')}'`
const quotedName = (name: string): string => `\`${name.replaceAll(/[\\`]/g, '\\$&')}\``

function spansOf({ reason, rows }: Refused<Row>): RefusedSpans {
  const { TraceId: traceId, SpanId: spanId } = rows[0]!
  return { reason, spans: rows.length, traceId, spanId }
}
