/** The tables of a span file, and a writer that fills them column by column without a call per value. */
import {
  BIGINT,
  DOUBLE,
  type DuckDBConnection,
  DuckDBDataChunk,
  type DuckDBType,
  FLOAT,
  INTEGER,
  UBIGINT,
  USMALLINT,
  UTINYINT,
} from '@duckdb/node-api'
import duckdb from '@duckdb/node-bindings'

export interface Column {
  readonly name: string
  readonly type: DuckDBType
  readonly bytes: number
}

const column = (name: string, type: DuckDBType, bytes: number): Column => ({ name, type, bytes })
const int = (name: string): Column => column(name, INTEGER, 4)
const id = (name: string): Column => column(name, UBIGINT, 8)
const float = (name: string): Column => column(name, DOUBLE, 8)
const byte = (name: string): Column => column(name, UTINYINT, 1)

/** One row a span. Ids are the bytes of the wire read as little-endian; names are numbers. */
export const SPANS: readonly Column[] = [
  int('seg'),
  int('block'),
  id('trace_a'),
  id('trace_b'),
  id('span'),
  id('parent'),
  column('start_ns', BIGINT, 8),
  float('duration_us'),
  float('received_ms'),
  int('service'),
  int('host'),
  int('name'),
  int('route'),
  int('peer'),
  int('error'),
  int('outcome'),
  column('http', USMALLINT, 2),
  byte('kind'),
  byte('status'),
  byte('direction'),
  id('request_id'),
  id('idempotency'),
  column('weight', FLOAT, 4),
]

/**
 * One row a hop between services. `relation`: 0 both ends seen, 1 entry (a root, no caller), 2 only the caller's end
 * seen. Durations are -1 where that end was not seen; the offset is of the server's clock to the client's.
 */
export const EDGES: readonly Column[] = [
  int('seg'),
  id('trace_a'),
  id('trace_b'),
  column('start_ns', BIGINT, 8),
  int('client'),
  int('server'),
  int('client_host'),
  int('server_host'),
  int('route'),
  float('client_us'),
  float('server_us'),
  float('offset_us'),
  byte('failed'),
  byte('relation'),
  column('weight', FLOAT, 4),
]

export const CREATE = (db: string): string => `BEGIN TRANSACTION;
CREATE TABLE ${db}.spans (${SPANS.map(({ name, type }) => `${name} ${type} NOT NULL`).join(', ')});
CREATE TABLE ${db}.edges (${EDGES.map(({ name, type }) => `${name} ${type} NOT NULL`).join(', ')});
CREATE TABLE ${db}.blocks (block INTEGER, place BIGINT, packed INTEGER, unpacked INTEGER, least_ns BIGINT, most_ns BIGINT, bloom BLOB);
CREATE TABLE ${db}.segments (seg INTEGER);
COMMIT;`

/** Tables of files that were made before spans had weights. */
export const UPGRADE = (db: string): string =>
  ['spans', 'edges']
    .map((table) => `ALTER TABLE ${db}.${table} ADD COLUMN IF NOT EXISTS weight FLOAT DEFAULT 1;`)
    .join('\n')

const ROWS = 2048

/** Collects rows in column buffers, and appends them in chunks. */
export class TableWriter {
  readonly buffers: readonly ArrayBuffer[]
  readonly #columns: readonly Column[]
  readonly #types: readonly DuckDBType[]
  readonly #append: (chunk: DuckDBDataChunk) => void
  readonly #close: () => void
  /** The row that the next values go to. */
  row = 0

  private constructor(columns: readonly Column[], append: (chunk: DuckDBDataChunk) => void, close: () => void) {
    this.#columns = columns
    this.#types = columns.map(({ type }) => type)
    this.buffers = columns.map(({ bytes }) => new ArrayBuffer(bytes * ROWS))
    this.#append = append
    this.#close = close
  }

  static async open(
    connection: DuckDBConnection,
    db: string,
    table: string,
    columns: readonly Column[],
  ): Promise<TableWriter> {
    const appender = await connection.createAppender(table, 'main', db)
    return new TableWriter(
      columns,
      (chunk) => appender.appendDataChunk(chunk),
      () => appender.closeSync(),
    )
  }

  /** The row is whole. */
  next(): void {
    if (++this.row === ROWS) this.#flush()
  }

  close(): void {
    this.#flush()
    this.#close()
  }

  #flush(): void {
    if (this.row === 0) return
    const chunk = DuckDBDataChunk.create(this.#types, this.row)
    for (let i = 0; i < this.#columns.length; i++) {
      const vector = duckdb.data_chunk_get_vector(chunk.chunk, i)
      duckdb.copy_data_to_vector(vector, 0, this.buffers[i]!, 0, this.#columns[i]!.bytes * this.row)
    }
    this.#append(chunk)
    this.row = 0
  }
}
