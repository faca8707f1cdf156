/**
 * Conditional writes to the file, in one of two ways. Indirect: a thread of the library checks, writes and commits, for all
 * that came in meanwhile. Direct: this thread does it, in a sixth of the CPU time and a tenth of the wall time; but where
 * the disk is busy, all of this process waits. So it is direct only while writes are quick.
 */
import { nowUs } from '../../core/clock.ts'
import type { Soon } from '../../exchange/idempotency-store.ts'
import { asStoreError, StoreError } from '../store-error.ts'
import type { LmdbDatabase } from './lmdb-database.ts'

/** More than so many bytes are not copied and written on this thread. */
const DIRECT_BYTES = 32 * 1024
/**
 * Two in a row that take longer, and one that takes much longer, are followed by indirect ones for a while, twice as long
 * where the last time is not long ago. One alone may be a scheduler that had others to run.
 */
const SLOW_US = 10_000
const MUCH_TOO_SLOW_US = 100_000
const FIRST_PAUSE_US = 250_000
const LAST_PAUSE_US = 16_000_000
/** Synchronous commit; that it is not brought to the disk is the environment's setting. */
const COMMIT = 2

export class FileTransactions {
  readonly #db: LmdbDatabase
  /** Indirect ones under way: a direct one must not meet them. */
  #underWay = 0
  #directFromUs: number
  #pauseUs = FIRST_PAUSE_US
  #slowInARow = 0
  /** When it was too slow last. */
  #slowAtUs = Number.NEGATIVE_INFINITY

  /** `sync`: every commit waits for the disk, and so none is direct. */
  constructor(db: LmdbDatabase, sync: boolean) {
    this.#db = db
    this.#directFromUs = sync ? Number.POSITIVE_INFINITY : 0
  }

  /** `write` where the key is of `version` still, or, with null, is not there. False: it is not, nothing was written. */
  run(key: Buffer, version: number | null, bytes: number, write: (db: LmdbDatabase) => void): Soon<boolean> {
    return this.#isDirect(bytes) ? this.#direct(key, version, write) : this.#indirect(key, version, write)
  }

  #isDirect(bytes: number): boolean {
    if (this.#underWay > 0 || bytes > DIRECT_BYTES) return false
    return nowUs() >= this.#directFromUs
  }

  #direct(key: Buffer, version: number | null, write: (db: LmdbDatabase) => void): Soon<boolean> {
    const startUs = nowUs()
    try {
      return this.#db.transactionSync(() => {
        if (!this.#db.doesExist(key, version)) return false
        write(this.#db)
        return true
      }, COMMIT)
    } catch (error) {
      return Promise.reject(failureOf(error))
    } finally {
      this.#took(startUs, nowUs())
    }
  }

  #took(startUs: number, now: number): void {
    this.#slowInARow = now - startUs > SLOW_US ? this.#slowInARow + 1 : 0
    if (this.#slowInARow < 2 && now - startUs < MUCH_TOO_SLOW_US) return
    this.#slowInARow = 0
    const again = now - this.#slowAtUs < 2 * LAST_PAUSE_US
    this.#pauseUs = again ? Math.min(LAST_PAUSE_US, this.#pauseUs * 2) : FIRST_PAUSE_US
    this.#slowAtUs = now
    this.#directFromUs = now + this.#pauseUs
  }

  async #indirect(key: Buffer, version: number | null, write: (db: LmdbDatabase) => void): Promise<boolean> {
    this.#underWay++
    try {
      return await this.#db.ifVersion(key, version, () => write(this.#db))
    } catch (error) {
      throw failureOf(await causeOf(error))
    } finally {
      this.#underWay--
    }
  }
}

function failureOf(error: unknown): StoreError {
  const text = error instanceof Error ? error.message : String(error)
  return /no space|MAP_FULL|quota/i.test(text)
    ? new StoreError('full', `writing: ${text}`, error)
    : asStoreError(error, 'writing')
}

/** A commit that failed tells its cause by a second promise, which must not go unheard. */
async function causeOf(error: unknown): Promise<unknown> {
  const commitError = (error as { readonly commitError?: Promise<unknown> }).commitError
  if (commitError === undefined) return error
  const late = new Promise<unknown>((resolve) => {
    setTimeout(resolve, 1000, error).unref()
  })
  return Promise.race([commitError.catch((cause: unknown) => cause), late])
}
