/**
 * Says when files may have changed: by the system's word where it gives one, and by looking every so often, since network
 * and overlay file systems give none. Folders are watched, for files are replaced rather than written, and Kubernetes
 * turns a symlink.
 */
import { type FSWatcher, watch } from 'node:fs'

export interface FileWatchOptions {
  /** Folders to watch; those that are not there are looked for again at each poll. */
  readonly folders: () => readonly string[]
  readonly onChange: () => void
  readonly pollMs?: number
  /** Quiet time before a change is told: certificate and key are seldom written in one moment. */
  readonly settleMs?: number
}

const POLL_MS = 30_000
const SETTLE_MS = 250
const MAX_FOLDERS = 256

export class FileWatch {
  readonly #options: FileWatchOptions
  readonly #watchers = new Map<string, FSWatcher>()
  readonly #poll: NodeJS.Timeout
  #settle: NodeJS.Timeout | undefined

  constructor(options: FileWatchOptions) {
    this.#options = options
    this.#poll = setInterval(() => this.#look(), options.pollMs ?? POLL_MS).unref()
    this.#watchAll()
  }

  close(): void {
    clearInterval(this.#poll)
    clearTimeout(this.#settle)
    for (const watcher of this.#watchers.values()) watcher.close()
    this.#watchers.clear()
  }

  #look(): void {
    this.#watchAll()
    this.#options.onChange()
  }

  #watchAll(): void {
    const wanted = new Set(this.#options.folders().slice(0, MAX_FOLDERS))
    for (const [folder, watcher] of this.#watchers) {
      if (wanted.has(folder)) continue
      watcher.close()
      this.#watchers.delete(folder)
    }
    for (const folder of wanted) if (!this.#watchers.has(folder)) this.#watchOne(folder)
  }

  #watchOne(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, () => this.#changed())
      // A folder that goes takes its watch with it; the next poll looks for it again.
      watcher.on('error', () => {
        watcher.close()
        this.#watchers.delete(folder)
      })
      this.#watchers.set(folder, watcher)
    } catch {
      // Not there, or no watches left on this system: the poll sees to it.
    }
  }

  #changed(): void {
    clearTimeout(this.#settle)
    this.#settle = setTimeout(() => this.#look(), this.#options.settleMs ?? SETTLE_MS).unref()
  }
}
