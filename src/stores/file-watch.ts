/**
 * Records that requests of this process wait for and another process may change: looked at in growing steps, all by one
 * timer. What this process changes is told at once.
 */
import type { FileRecords } from './file-records.ts'
import { Waiters } from './waiters.ts'

const FIRST_LOOK_MS = 2
const LAST_LOOK_MS = 50
/** Records looked at in one turn. */
const LOOKS = 256

export class FileWatch {
  readonly #records: FileRecords
  readonly #waiters = new Waiters()
  /** Version of each record when its first waiter came. */
  readonly #versions = new Map<string, number | undefined>()
  #timer: NodeJS.Timeout | undefined
  #delayMs = FIRST_LOOK_MS

  constructor(records: FileRecords) {
    this.#records = records
  }

  /** Resolves when the record is not of `version` any more, or in time. */
  async wait(id: string, version: number, timeoutMs: number): Promise<void> {
    if (!this.#versions.has(id)) this.#versions.set(id, version)
    else if (this.#versions.get(id) !== version) this.notify(id, version)
    this.#delayMs = FIRST_LOOK_MS
    this.#arm()
    await this.#waiters.wait(id, timeoutMs)
    if (!this.#waiters.has(id)) this.#versions.delete(id)
  }

  /** The record changed, and is of `version` now. */
  notify(id: string, version?: number): void {
    if (!this.#waiters.has(id)) return
    this.#waiters.notify(id)
    if (version === undefined) this.#versions.delete(id)
    else this.#versions.set(id, version)
  }

  #arm(): void {
    this.#timer ??= setTimeout(() => this.#look(), this.#delayMs)
  }

  #look(): void {
    this.#timer = undefined
    let looks = 0
    for (const [id, version] of this.#versions) {
      if (++looks > LOOKS) break
      // Last in line, where there are more than one turn can look at.
      this.#versions.delete(id)
      this.#versions.set(id, version)
      if (this.#changed(id, version)) this.notify(id)
    }
    this.#delayMs = Math.min(LAST_LOOK_MS, this.#delayMs * 2)
    if (this.#waiters.size > 0) this.#arm()
  }

  #changed(id: string, version: number | undefined): boolean {
    try {
      return this.#records.versionOf(id) !== version
    } catch {
      return false // a store that cannot be read: the wait ends in time
    }
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#waiters.close()
  }
}
