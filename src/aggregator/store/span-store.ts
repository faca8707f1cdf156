/** The span files of a data folder: which one is written to, which ones a query has to look at, which ones are too old. */
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { SegmentExtent, SegmentView } from '../intake/segment.ts'
import { type Engine, openEngine } from './engine.ts'
import { NamesFile } from './names-file.ts'
import type { Edge } from './pairing.ts'
import type { StoreCounters } from './protocol.ts'
import { SegmentWriter } from './segment-writer.ts'
import { createdOf, SpanFile } from './span-file.ts'

export interface SpanStoreOptions {
  readonly folder: string
  readonly maxAgeMs: number
  readonly maxBytes: number
  readonly memoryBytes: number
  /** A file, or a part of it, cannot be read any more: its spans are lost, all others are there. */
  readonly onDamaged: (path: string, error: Error) => void
}

/** What the engine says of a file that is not what was written. Of a lock, a permission or a full disk it says something else. */
const DAMAGED = /not a valid DuckDB|corrupt|checksum|replaying WAL|not read enough bytes|deserializ|INTERNAL Error/i

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

export class SpanStore {
  readonly engine: Engine
  readonly names: NamesFile
  /** Oldest first; the last one is written to. */
  readonly files: SpanFile[]
  readonly #options: SpanStoreOptions
  readonly #writer: SegmentWriter
  #expired = 0
  #bytes = 0
  #countedMs = 0

  private constructor(options: SpanStoreOptions, engine: Engine, names: NamesFile, files: SpanFile[]) {
    this.#options = options
    this.engine = engine
    this.names = names
    this.files = files
    this.#writer = new SegmentWriter(engine.connection)
  }

  /** Throws where the folder or a file in it cannot be opened. */
  static async open(options: SpanStoreOptions): Promise<SpanStore> {
    const spans = join(options.folder, 'spans')
    const tempFolder = join(options.folder, 'tmp')
    mkdirSync(spans, { recursive: true, mode: 0o700 })
    rmSync(tempFolder, { recursive: true, force: true })
    const engine = await openEngine({ memoryBytes: options.memoryBytes, tempFolder })
    const files: SpanFile[] = []
    const created = readdirSync(spans).flatMap((name) => createdOf(name) ?? [])
    for (const createdMs of created.sort((a, b) => a - b)) {
      try {
        files.push(await SpanFile.open(engine, spans, createdMs))
      } catch (error) {
        if (!(error instanceof Error && DAMAGED.test(error.message))) throw error
        await SpanFile.putAside(spans, createdMs)
        options.onDamaged(join(spans, String(createdMs)), error)
      }
    }
    return new SpanStore(options, engine, new NamesFile(join(options.folder, 'names.log')), files)
  }

  onDamaged(path: string, error: Error): void {
    this.#options.onDamaged(path, error)
  }

  /** Segments below this number are stored. */
  get storedBelow(): number {
    return 1 + Math.max(-1, ...this.files.map(({ lastSegment }) => lastSegment))
  }

  get counters(): Omit<StoreCounters, 'sampledOut' | 'decidedEarly'> {
    const rows = this.files.reduce((sum, file) => sum + file.rows, 0)
    return { files: this.files.length, bytes: this.#bytes, rows, expiredFiles: this.#expired }
  }

  async store(view: SegmentView, extent: SegmentExtent, edges: readonly Edge[], nowMs: number): Promise<void> {
    await this.#writer.write(await this.#current(nowMs), view, extent, edges)
  }

  async close(): Promise<void> {
    for (const file of this.files) await file.close()
    this.names.close()
    this.engine.close()
  }

  /** The file to write to; a new one where the last is old or large enough. */
  async #current(nowMs: number): Promise<SpanFile> {
    const last = this.files.at(-1)
    const { maxAgeMs, maxBytes } = this.#options
    const spanMs = Math.min(6 * HOUR_MS, Math.max(10 * MINUTE_MS, maxAgeMs / 24))
    if (last !== undefined && nowMs - last.createdMs < spanMs && !this.#isLarge(last, maxBytes, nowMs)) return last
    // Two in one millisecond, or a clock that was set back.
    const createdMs = Math.max(Math.floor(nowMs), (last?.createdMs ?? 0) + 1)
    const file = await SpanFile.open(this.engine, join(this.#options.folder, 'spans'), createdMs)
    this.files.push(file)
    return file
  }

  /** Looks at sizes once a few seconds. */
  #isLarge(last: SpanFile, maxBytes: number, nowMs: number): boolean {
    if (nowMs - this.#countedMs < 5000) return false
    this.#countedMs = nowMs
    this.#bytes = this.files.reduce((sum, file) => sum + file.bytes, 0)
    return last.bytes > Math.max(64 * 1024 * 1024, maxBytes / 8)
  }

  /** Remove what is older than its age or over the size; the file that is written to stays. */
  async expire(nowMs: number): Promise<void> {
    const { maxAgeMs, maxBytes } = this.#options
    while (this.files.length > 1) {
      const [oldest, next] = this.files as [SpanFile, SpanFile]
      // All of its spans came before the next file was made.
      const isOld = nowMs - next.createdMs > maxAgeMs
      const bytes = this.files.reduce((sum, file) => sum + file.bytes, 0)
      this.#bytes = bytes
      if (!isOld && bytes <= maxBytes) return
      this.files.shift()
      this.#expired++
      await oldest.remove()
    }
  }
}
