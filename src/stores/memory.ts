/**
 * Records in this process, bounded in bytes, answered at once. An eighth of the bytes is for claims at work, which are never
 * evicted: where they fill it, further claims are refused. Six eighths are for responses; the one least recently used
 * gives up its body first, so that repeats learn that it ran. An eighth is for such remains and for outcomes in doubt;
 * only there is an id forgotten before its time, and counted.
 */
import { wallNowMs } from '../core/clock.ts'
import { PassingMap } from '../core/passing-map.ts'
import { NONE } from '../core/row-index.ts'
import type {
  Claim,
  ClaimRequest,
  ClaimResult,
  IdempotencyRecord,
  IdempotencyStore,
  RecordState,
  Soon,
  StoredResponse,
} from '../exchange/idempotency-store.ts'
import {
  completeEntry,
  dispatchEntry,
  type Entry,
  isClaimable,
  markEntryUnknown,
  mayRelease,
  newEntry,
  nextFence,
  recordOf,
  renewEntry,
  standingOf,
} from './lifecycle.ts'
import { type Kept, MemoryRecords, workingSize } from './memory-records.ts'
import { REMAINS, RESPONSES, RecordTable } from './record-table.ts'
import { StoreError } from './store-error.ts'
import { Waiters } from './waiters.ts'

export interface MemoryStoreOptions {
  /** Bytes of all records together, their overhead included; see {@link MemoryRecords}. */
  readonly maxBytes: number
  /** Wall clock, milliseconds. */
  readonly now?: () => number
}

export class MemoryStore implements IdempotencyStore {
  readonly name = 'memory'
  readonly #now: () => number
  /** Claimed or dispatched, or with their lease over and not asked for since. */
  readonly #working = new PassingMap<Entry>()
  #workingBytes = 0
  readonly #maxWorkingBytes: number
  /** No lease of {@link #working} is over before this; wall-clock milliseconds. */
  #leaseOverMs = Number.POSITIVE_INFINITY
  /** All that is at work no more. */
  #records = new MemoryRecords()
  readonly #table = new RecordTable((kept, id) => this.#records.isOf(kept, id))
  readonly #maxResponsesBytes: number
  readonly #maxRemainsBytes: number
  readonly #waiters = new Waiters()
  #fence = 0
  #forgotten = 0

  constructor(options: MemoryStoreOptions) {
    this.#now = options.now ?? wallNowMs
    const eighth = Math.max(1, Math.floor(options.maxBytes / 8))
    this.#maxWorkingBytes = eighth
    this.#maxResponsesBytes = eighth * 6
    this.#maxRemainsBytes = eighth
  }

  /** Ids that were forgotten before their time, for want of room. */
  get forgotten(): number {
    return this.#forgotten
  }

  /** Bytes held, as they are counted. */
  get bytes(): number {
    return this.#workingBytes + this.#table.bytesOf(RESPONSES) + this.#table.bytesOf(REMAINS)
  }

  claim(request: ClaimRequest): Soon<ClaimResult> {
    const now = this.#now()
    const { id, owner } = request
    const found = this.#find(id)
    if (found !== undefined) {
      const standing = standingOf(found, now)
      if (!isClaimable(standing, found.owner, request)) {
        return { kind: 'exists', record: recordOf(found, standing as RecordState) }
      }
      this.#remove(id)
    }
    const entry = newEntry(request, nextFence(this.#fence, now), now)
    const { fence, leaseUntilMs } = entry
    const bytes = workingSize(entry, id)
    if (!this.#hasRoom(bytes, now)) {
      return Promise.reject(new StoreError('full', `no room for another claim, ${this.#working.size} are at work`))
    }
    this.#fence = fence
    this.#working.set(id, entry)
    this.#workingBytes += bytes
    this.#leaseOverMs = Math.min(this.#leaseOverMs, leaseUntilMs)
    return { kind: 'claimed', claim: { id, owner, fence } }
  }

  dispatch(claim: Claim, fingerprint: string, leaseMs: number): boolean {
    const entry = this.#working.get(claim.id)
    if (entry === undefined) return false
    const before = entry.fingerprint
    return dispatchEntry(entry, claim, fingerprint, leaseMs, this.#now()) && this.#worked(claim.id, entry, before)
  }

  renew(claim: Claim, fingerprint: string, leaseMs: number): boolean {
    const entry = this.#working.get(claim.id)
    if (entry === undefined) return false
    const before = entry.fingerprint
    return renewEntry(entry, claim, fingerprint, leaseMs, this.#now()) && this.#worked(claim.id, entry, before)
  }

  complete(claim: Claim, fingerprint: string, response: StoredResponse): boolean {
    const entry = this.#find(claim.id)
    if (entry === undefined) return false
    const [before, bytes] = [entry.state, workingSize(entry, claim.id)]
    if (!completeEntry(entry, claim, fingerprint, response, this.#now())) return false
    // Asked once more by the owner of the outcome that is there.
    return before === 'completed' || this.#settled(claim.id, entry, bytes)
  }

  markUnknown(claim: Claim, fingerprint: string): boolean {
    const entry = this.#find(claim.id)
    if (entry === undefined) return false
    const [before, bytes] = [entry.state, workingSize(entry, claim.id)]
    if (!markEntryUnknown(entry, claim, fingerprint, this.#now())) return false
    return before === 'completed' || this.#settled(claim.id, entry, bytes)
  }

  release(claim: Claim): boolean {
    const entry = this.#find(claim.id)
    if (entry === undefined || !mayRelease(entry, claim, this.#now())) return false
    this.#remove(claim.id)
    this.#waiters.notify(claim.id)
    return true
  }

  read(id: string): IdempotencyRecord | undefined {
    const entry = this.#find(id)
    if (entry === undefined) return undefined
    const standing = standingOf(entry, this.#now())
    return standing === 'free' ? undefined : recordOf(entry, standing)
  }

  changed(id: string, timeoutMs: number): Promise<void> {
    const entry = this.#working.get(id)
    if (entry === undefined) return Promise.resolve()
    return this.#waiters.wait(id, Math.min(timeoutMs, entry.leaseUntilMs - this.#now()))
  }

  counts(): Readonly<Partial<Record<RecordState, number>>> {
    const now = this.#now()
    const counts: Partial<Record<RecordState, number>> = {}
    const count = (entry: Entry): void => {
      const standing = standingOf(entry, now)
      if (standing !== 'free') counts[standing] = (counts[standing] ?? 0) + 1
    }
    for (const entry of this.#working.values()) count(entry)
    for (const list of [RESPONSES, REMAINS] as const) {
      for (const kept of this.#table.values(list)) count(this.#records.read(kept))
    }
    return counts
  }

  async close(): Promise<void> {
    this.#waiters.close()
    this.#working.clear()
    this.#workingBytes = 0
    this.#table.clear()
    this.#records = new MemoryRecords()
  }

  #find(id: string): Entry | undefined {
    const working = this.#working.get(id)
    if (working !== undefined) return working
    const row = this.#table.find(id)
    if (row === NONE) return undefined
    this.#table.use(row)
    return this.#records.read(this.#table.keptAt(row))
  }

  #remove(id: string): void {
    const working = this.#working.delete(id)
    if (working !== undefined) {
      this.#workingBytes -= workingSize(working, id)
      return
    }
    const row = this.#table.find(id)
    if (row !== NONE) this.#drop(row)
  }

  /** An entry goes on working, with a fingerprint that was `before`. True. */
  #worked(id: string, { fingerprint }: Entry, before: string): true {
    if (fingerprint === before) return true
    this.#workingBytes += fingerprint.length - before.length
    this.#waiters.notify(id)
    return true
  }

  /** An entry has its outcome; it took `bytes` where it was at work. True. */
  #settled(id: string, entry: Entry, bytes: number): true {
    if (this.#working.delete(id) !== undefined) this.#workingBytes -= bytes
    else this.#remove(id)
    this.#keep(id, this.#records.keep(id, entry))
    this.#waiters.notify(id)
    return true
  }

  #drop(row: number): void {
    this.#records.drop(this.#table.keptAt(row))
    this.#table.remove(row)
  }

  #keep(id: string, kept: Kept): void {
    const records = this.#records
    const bytes = records.sizeOf(kept)
    if (!records.hasBody(kept) || bytes > this.#maxResponsesBytes) {
      this.#keepRemains(id, records.withoutBody(kept))
      return
    }
    this.#table.add(id, kept, RESPONSES, bytes)
    while (this.#table.bytesOf(RESPONSES) > this.#maxResponsesBytes) this.#giveUpBody(this.#table.oldest(RESPONSES))
  }

  #giveUpBody(row: number): void {
    const kept = this.#records.withoutBody(this.#table.keptAt(row))
    this.#table.move(row, kept, REMAINS, this.#records.sizeOf(kept))
    this.#trimRemains(row)
  }

  #keepRemains(id: string, kept: Kept): void {
    this.#trimRemains(this.#table.add(id, kept, REMAINS, this.#records.sizeOf(kept)))
  }

  /** Make room for the last one; where it is larger than all the room, it is the one to go. Either is counted. */
  #trimRemains(last: number): void {
    const table = this.#table
    const first = this.#records.sizeOf(table.keptAt(last)) > this.#maxRemainsBytes ? last : NONE
    while (table.bytesOf(REMAINS) > this.#maxRemainsBytes) {
      this.#forgotten++
      this.#drop(first === NONE ? table.oldest(REMAINS) : first)
    }
  }

  /** Whether a claim of so many bytes fits, after those whose lease is over have made room. */
  #hasRoom(bytes: number, now: number): boolean {
    if (this.#workingBytes + bytes <= this.#maxWorkingBytes) return true
    if (now >= this.#leaseOverMs) this.#sweep(now)
    return this.#workingBytes + bytes <= this.#maxWorkingBytes
  }

  #sweep(now: number): void {
    this.#leaseOverMs = Number.POSITIVE_INFINITY
    for (const [id, entry] of this.#working.entries()) {
      if (now < entry.leaseUntilMs) {
        this.#leaseOverMs = Math.min(this.#leaseOverMs, entry.leaseUntilMs)
        continue
      }
      this.#remove(id)
      if (entry.state !== 'dispatched') continue
      entry.state = 'unknown'
      this.#keepRemains(id, this.#records.keep(id, entry))
    }
  }
}
