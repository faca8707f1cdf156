/** One file of spans: a database file with a row a span, and beside it the raw requests in packed blocks. */
import { statSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { BlockFile, type BlockPlace } from './blocks.ts'
import type { Engine } from './engine.ts'
import { CREATE, UPGRADE } from './tables.ts'

const NAME = /^(\d{13})\.duckdb$/

/** Names of span files are the time of their making, so that they sort by age. */
export const createdOf = (fileName: string): number | undefined => {
  const match = NAME.exec(fileName)
  return match === null ? undefined : Number(match[1])
}

/** The database, its own log, and the blocks. */
function pathsOf(folder: string, createdMs: number): [string, string, string] {
  const base = join(folder, String(createdMs).padStart(13, '0'))
  return [`${base}.duckdb`, `${base}.duckdb.wal`, `${base}.blocks`]
}

export class SpanFile {
  readonly createdMs: number
  /** Name within the engine. */
  readonly db: string
  readonly blocks: BlockFile
  readonly path: string
  readonly #engine: Engine
  /** Starts of its spans, nanoseconds. */
  leastNs = 0n
  mostNs = 0n
  rows = 0
  nextBlock = 0
  /** Highest segment in it, -1 for none. */
  lastSegment = -1

  private constructor(engine: Engine, folder: string, createdMs: number) {
    this.#engine = engine
    this.createdMs = createdMs
    this.db = `f${createdMs}`
    const [path, , blocks] = pathsOf(folder, createdMs)
    this.path = path
    this.blocks = new BlockFile(blocks)
  }

  /** Open it, or make it where it is not there yet. */
  static async open(engine: Engine, folder: string, createdMs: number): Promise<SpanFile> {
    const file = new SpanFile(engine, folder, createdMs)
    try {
      await engine.connection.run(`ATTACH '${file.path.replaceAll("'", "''")}' AS ${file.db}`)
    } catch (error) {
      file.blocks.close()
      throw error
    }
    try {
      await file.#prepare()
      return file
    } catch (error) {
      await file.close().catch(() => {})
      throw error
    }
  }

  async #prepare(): Promise<void> {
    const { db } = this
    const tables = await this.#engine.rows(`SELECT table_name FROM duckdb_tables() WHERE database_name = '${db}'`)
    await this.#engine.connection.run(tables.length === 0 ? CREATE(db) : UPGRADE(db))
    const [[count, least, most] = []] = await this.#engine.rows(
      `SELECT count(*), coalesce(min(start_ns), 0), coalesce(max(start_ns), 0) FROM ${db}.spans`,
    )
    const [[segment] = []] = await this.#engine.rows(`SELECT coalesce(max(seg), -1) FROM ${db}.segments`)
    const [[block, end] = []] = await this.#engine.rows(
      `SELECT coalesce(max(block), -1), coalesce(max(place + packed), 0) FROM ${db}.blocks`,
    )
    this.rows = Number(count)
    this.leastNs = BigInt(least as bigint)
    this.mostNs = BigInt(most as bigint)
    this.lastSegment = Number(segment)
    this.nextBlock = Number(block) + 1
    this.blocks.truncate(Number(end))
  }

  /** Bytes on disk. */
  get bytes(): number {
    return this.blocks.size + sizeOf(this.path) + sizeOf(`${this.path}.wal`)
  }

  overlaps(fromNs: bigint, toNs: bigint): boolean {
    return this.rows > 0 && this.leastNs <= toNs && this.mostNs >= fromNs
  }

  async place(block: number): Promise<BlockPlace | undefined> {
    const [row] = await this.#engine.rows(
      `SELECT place, packed, unpacked FROM ${this.db}.blocks WHERE block = ${block}`,
    )
    if (row === undefined) return undefined
    return { at: Number(row[0]), packed: Number(row[1]), unpacked: Number(row[2]) }
  }

  async close(): Promise<void> {
    await this.#engine.connection.run(`DETACH ${this.db}`)
    this.blocks.close()
  }

  /** Put the files of a damaged one where nobody reads them. */
  static async putAside(folder: string, createdMs: number): Promise<void> {
    for (const path of pathsOf(folder, createdMs)) {
      await rename(path, `${path}.damaged`).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error
      })
    }
  }

  /** Close it and take it from the disk. */
  async remove(): Promise<void> {
    await this.close()
    for (const path of pathsOf(dirname(this.path), this.createdMs)) await rm(path, { force: true })
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}
