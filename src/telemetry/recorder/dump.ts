/**
 * What was recorded of failed and slow traces, in a folder: a file a trace and process, JSON lines, the first of which
 * says what it is. Bounded in files and bytes, the oldest go; what cannot be written is counted and dropped.
 */
import { appendFile, mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** Lines that wait for the disk. */
const MAX_WAITING = 256
const OURS = /^[0-9a-f]{32}-\d+\.jsonl$/
/** Files begun between two looks at what there is: several processes may share the folder. */
const LOOK_EVERY = 64
/** What is left of a bound that was passed, so that not each further file is a reason to look. */
const LEAVE = 7 / 8

export interface DumpOptions {
  readonly folder: string
  readonly files: number
  readonly bytes: number
  /** What the first line of each file says. */
  readonly head: (traceId: string) => object
  /** A file was begun. */
  readonly onFile: () => void
  readonly onFault: (error: unknown) => void
}

export class DumpFolder {
  readonly #options: DumpOptions
  /** Files that this process began, of those that are there. */
  readonly #begun = new Set<string>()
  #bytes = 0
  #files = 0
  #sinceLook = 0
  #waiting = 0
  #tail: Promise<void>

  constructor(options: DumpOptions) {
    this.#options = options
    this.#tail = mkdir(options.folder, { recursive: true, mode: 0o700 }).then(() => this.#look(), options.onFault)
  }

  write(traceId: string, record: object): void {
    if (this.#waiting >= MAX_WAITING) {
      this.#options.onFault(new Error('the disk does not keep up'))
      return
    }
    this.#waiting++
    this.#tail = this.#tail
      .then(() => this.#append(traceId, record))
      .catch(this.#options.onFault)
      .finally(() => this.#waiting--)
  }

  /** All that was given is written. */
  close(): Promise<void> {
    return this.#tail
  }

  async #append(traceId: string, record: object): Promise<void> {
    const { folder, files, head, onFile } = this.#options
    const name = `${traceId}-${process.pid}.jsonl`
    const begins = !this.#begun.has(name)
    const line = `${JSON.stringify(record)}\n`
    const text = begins ? `${JSON.stringify(head(traceId))}\n${line}` : line
    await appendFile(join(folder, name), text, { mode: 0o600 })
    this.#bytes += text.length
    if (begins) {
      this.#begun.add(name)
      this.#files++
      this.#sinceLook++
      onFile()
    }
    if (this.#files > files || this.#bytes > this.#options.bytes || this.#sinceLook >= LOOK_EVERY) await this.#look()
  }

  /** Count what there is and delete the oldest beyond the bounds. */
  async #look(): Promise<void> {
    const { folder } = this.#options
    this.#sinceLook = 0
    const names = (await readdir(folder)).filter((name) => OURS.test(name))
    const found = await Promise.all(names.map(async (name) => ({ name, ...(await sizeOf(join(folder, name))) })))
    found.sort((a, b) => b.modifiedMs - a.modifiedMs)
    const total = found.reduce((sum, { size }) => sum + size, 0)
    const over = found.length > this.#options.files || total > this.#options.bytes
    const [files, bytes] = over
      ? [Math.max(1, Math.floor(this.#options.files * LEAVE)), this.#options.bytes * LEAVE]
      : [found.length, total]
    this.#bytes = 0
    this.#files = 0
    for (const { name, size } of found) {
      if (this.#files < files && this.#bytes + size <= bytes) {
        this.#files++
        this.#bytes += size
        continue
      }
      this.#begun.delete(name)
      // Another process may have been quicker.
      await rm(join(folder, name), { force: true }).catch(this.#options.onFault)
    }
    const there = new Set(names)
    for (const name of this.#begun) if (!there.has(name)) this.#begun.delete(name)
  }
}

async function sizeOf(file: string): Promise<{ size: number; modifiedMs: number }> {
  const facts = await stat(file).catch(() => undefined)
  return { size: facts?.size ?? 0, modifiedMs: facts?.mtimeMs ?? 0 }
}
