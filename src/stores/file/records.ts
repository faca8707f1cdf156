/**
 * Records in an LMDB file. Every write is conditional on the version that was read, which is checked inside of the write
 * transaction: writes that wait for the disk do not hold up each other. Large bodies lie under a key of their own beside
 * the record, in the same transaction, so that leases, looks and sweeps do not touch them.
 */
import { randomInt } from 'node:crypto'
import type { Soon, StoredResponse } from '../../exchange/idempotency-store.ts'
import { CRC32_IS_FAST, crc32 } from '../crc32.ts'
import { type Entry, withoutBody } from '../lifecycle.ts'
import { StoreError } from '../store-error.ts'
import { bodyKeyOf, isBodyKey, keyOf } from './keys.ts'
import type { LmdbDatabase, LmdbStats } from './lmdb-database.ts'
import { type BodyFiling, decodeEntry, encodeEntry, NO_BODY } from './record-codec.ts'
import { FileTransactions } from './transactions.ts'

/** A record as it was read. */
export interface Kept {
  /** Undefined: `damaged`, or written by another version of this program. */
  readonly entry: Entry | undefined
  readonly damaged: boolean
  readonly version: number
  /** Length of the body apart, else -1. */
  readonly apart: number
  readonly apartCrc: number
}

/** A body of more than that lies apart; below, it is on the same page as its record. */
const INLINE_BYTES = 1024
/** On Node 20 a sum is made in JavaScript, a millisecond for so much. */
const SLOW_SUM_BYTES = 256 * 1024
/** Sizes are looked at again after so many writes, or so much of the bound. */
const LOOK_WRITES = 64
const LOOK_SHARE = 64

export class FileRecords {
  readonly #db: LmdbDatabase
  readonly #transactions: FileTransactions
  readonly #maxBytes: number
  /** Versions are never used twice, by no process: a conditional write can't mistake a later record for the one it read. */
  readonly #versionBase = randomInt(2 ** 20) * 2 ** 32
  #versions = randomInt(2 ** 31)
  #closed = false
  #stats: LmdbStats
  #writesLeft = LOOK_WRITES
  #bytesLeft: number
  /** Records that could not be read. */
  damaged = 0
  /** Bodies that were not kept for want of room, or found damaged. */
  bodiesLost = 0

  constructor(db: LmdbDatabase, sync: boolean, maxBytes: number) {
    this.#db = db
    this.#transactions = new FileTransactions(db, sync)
    this.#maxBytes = maxBytes
    this.#stats = db.getStats()
    this.#bytesLeft = maxBytes / LOOK_SHARE
  }

  /** What is committed now. */
  get(id: string): Kept | undefined {
    this.#assertOpen()
    this.#db.resetReadTxn()
    return this.#read(keyOf(id))
  }

  #read(key: Buffer): Kept | undefined {
    const found = this.#db.getEntry(key)
    if (found === undefined) return undefined
    const decoded = decodeEntry(found.value)
    const version = found.version ?? 0
    if (decoded.kind === 'entry') {
      const { entry, apart, apartCrc } = decoded
      return { entry, damaged: false, version, apart, apartCrc }
    }
    if (decoded.kind === 'damaged') this.damaged++
    return { entry: undefined, damaged: decoded.kind === 'damaged', version, apart: -1, apartCrc: 0 }
  }

  /** The response of a record with its body, right after {@link get}: of the same moment. */
  responseOf(id: string, kept: Kept): StoredResponse | undefined {
    const response = kept.entry?.response
    if (response === undefined || kept.apart < 0) return response
    const body = this.#db.getBinary(bodyKeyOf(id))
    const sound =
      body !== undefined && body.length === kept.apart && (kept.apartCrc === 0 || crc32(body) === kept.apartCrc)
    if (sound) return { ...response, body }
    this.bodiesLost++
    return response
  }

  /** Write an entry in the place of what was read, or of nothing. False: it is not as read any more. */
  replace(id: string, old: Kept | undefined, entry: Entry): Soon<boolean> {
    this.#assertOpen()
    const body = entry.response?.body
    if (body !== undefined && !this.#hasRoomFor(body.length)) return this.#replaceWithoutBody(id, old, entry)
    const apart = body !== undefined && body.length > INLINE_BYTES
    const filing: BodyFiling =
      body === undefined ? NO_BODY : apart ? { place: 'apart', crc: sumOf(body) } : { place: 'inline', crc: 0 }
    const value = encodeEntry(entry, filing)
    const bytes = value.length + (apart ? body.length : 0)
    const key = keyOf(id)
    const version = this.#newVersion()
    const orphan = !apart && old !== undefined && old.apart >= 0
    this.#wrote(bytes)
    return this.#transactions.run(key, old === undefined ? null : old.version, bytes, (db) => {
      asOne(db.put(key, value, version))
      if (apart) asOne(db.put(bodyKeyOf(id), body, version))
      if (orphan) asOne(db.remove(bodyKeyOf(id)))
    })
  }

  /** The outcome is kept in any case: what there is no room for is its body. */
  #replaceWithoutBody(id: string, old: Kept | undefined, entry: Entry): Soon<boolean> {
    this.bodiesLost++
    return this.replace(id, old, { ...entry, response: withoutBody(entry.response!) })
  }

  /** Take away what was read. False: it is not as read any more. */
  remove(id: string, old: Kept): Soon<boolean> {
    this.#assertOpen()
    const key = keyOf(id)
    this.#wrote(0)
    return this.#transactions.run(key, old.version, 0, (db) => {
      asOne(db.remove(key))
      if (old.apart >= 0) asOne(db.remove(bodyKeyOf(id)))
    })
  }

  /** The next `limit` ids after `after` in the order of the file, and a last key to go on from, undefined at the end. */
  idsAfter(after: Buffer | undefined, limit: number): { readonly ids: string[]; readonly last: Buffer | undefined } {
    this.#assertOpen()
    this.#db.resetReadTxn()
    const ids: string[] = []
    let last: Buffer | undefined
    let seen = 0
    const start = after === undefined ? {} : { start: Buffer.concat([after, Buffer.of(0)]) }
    for (const key of this.#db.getKeys({ ...start, limit, snapshot: false })) {
      seen++
      last = Buffer.from(key)
      if (!isBodyKey(key)) ids.push(key.toString('latin1'))
    }
    return { ids, last: seen < limit ? undefined : last }
  }

  /** Whether one more claim may be taken. */
  get hasRoom(): boolean {
    return this.usedBytes < this.#maxBytes
  }

  /** Room for a body: the file itself grows to twice the bound at the most, where free pages lie too scattered for it. */
  #hasRoomFor(bytes: number): boolean {
    const used = this.usedBytes + bytes
    const fileBytes = (this.#stats.lastPageNumber + 1) * this.#stats.pageSize
    return used < this.#maxBytes && (bytes <= INLINE_BYTES || fileBytes + bytes < 2 * this.#maxBytes)
  }

  /** Bytes of pages that records are on, as of the last look. */
  get usedBytes(): number {
    const { pageSize, treeBranchPageCount, treeLeafPageCount, overflowPages } = this.#stats
    return pageSize * (treeBranchPageCount + treeLeafPageCount + overflowPages)
  }

  /** Records and bodies, as of the last look. */
  get keys(): number {
    return this.#stats.entryCount
  }

  get lastTxnId(): number {
    return this.#db.getStats().lastTxnId
  }

  #wrote(bytes: number): void {
    this.#bytesLeft -= bytes
    if (--this.#writesLeft <= 0 || this.#bytesLeft <= 0) this.look()
  }

  /** Learn the sizes anew. */
  look(): void {
    this.#writesLeft = LOOK_WRITES
    this.#bytesLeft = this.#maxBytes / LOOK_SHARE
    this.#stats = this.#db.getStats()
  }

  #newVersion(): number {
    this.#versions = (this.#versions + 1) % 2 ** 32
    return this.#versionBase + this.#versions
  }

  #assertOpen(): void {
    if (this.#closed) throw new StoreError('closed', 'the file store is closed')
  }

  readerCheck(): void {
    this.#db.readerCheck()
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#db.close()
  }
}

function sumOf(body: Buffer): number {
  return CRC32_IS_FAST || body.length <= SLOW_SUM_BYTES ? crc32(body) : 0
}

/** A write that succeeds or fails with the block it is in, which tells. Unheard, its failure would end the process. */
function asOne(write: Promise<boolean>): void {
  // Within a transaction of this thread the library answers with what is a promise in form only.
  if (write instanceof Promise) write.catch(() => {})
}
