/** The database engine of the store thread: one instance in memory, to which span files are attached. */
import { type DuckDBConnection, DuckDBInstance, type DuckDBValue } from '@duckdb/node-api'

export interface Engine {
  readonly connection: DuckDBConnection
  /** Rows of a query; integers of 64 bits are bigint. */
  rows(sql: string): Promise<DuckDBValue[][]>
  close(): void
}

export async function openEngine(options: { memoryBytes: number; tempFolder: string }): Promise<Engine> {
  const instance = await DuckDBInstance.create(':memory:', {
    threads: '2',
    memory_limit: `${Math.floor(options.memoryBytes / 1024)}KiB`,
    temp_directory: options.tempFolder,
    // What a large query took goes back to the system.
    allocator_flush_threshold: '16MiB',
    // Nothing is ever fetched from a network.
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  })
  const connection = await instance.connect()
  // Queries have a connection of their own, so that they do not see half of a segment.
  const reader = await instance.connect()
  return {
    connection,
    rows: async (sql) => (await reader.runAndReadAll(sql)).getRows(),
    close: () => {
      reader.closeSync()
      connection.closeSync()
      instance.closeSync()
    },
  }
}
