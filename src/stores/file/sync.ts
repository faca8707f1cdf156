/** Brings a file that is written without `sync` to the disk, a second after the first write that is not there. */
import { syncData } from './guard.ts'
import type { FileRecords } from './records.ts'

const PERIOD_MS = 1000

export class FileSync {
  readonly #folder: string
  readonly #bootId: string
  readonly #records: FileRecords
  #timer: NodeJS.Timeout | undefined
  #synced = -1
  #underWay: Promise<void> = Promise.resolve()
  #stopped = false
  /** Tries that failed; the next one comes in time. */
  failures = 0

  constructor(folder: string, bootId: string, records: FileRecords) {
    this.#folder = folder
    this.#bootId = bootId
    this.#records = records
    this.#arm()
  }

  #arm(): void {
    if (this.#stopped) return
    this.#timer = setTimeout(() => {
      this.#underWay = this.#sync().finally(() => this.#arm())
    }, PERIOD_MS).unref()
  }

  async #sync(): Promise<void> {
    try {
      const last = this.#records.lastTxnId
      if (last === this.#synced) return
      await syncData(this.#folder, this.#bootId, last)
      this.#synced = last
    } catch {
      this.failures++
    }
  }

  /** The last one: what was written until now is on the disk after it. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#underWay
    await this.#sync()
  }
}
