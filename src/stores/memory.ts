/**
 * Records in this process, bounded in bytes, answered at once. An eighth of the bytes is for claims at work, which are never
 * evicted: where they fill it, further claims are refused. Six eighths are for responses; the one least recently used
 * gives up its body first, so that repeats learn that it ran. An eighth is for such remains and for outcomes in doubt;
 * only there is an id forgotten before its time, and counted.
 */
import { LRUCache } from 'lru-cache'
import { wallNowMs } from '../core/clock.ts'
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
import { type Held, hold, keepResponse, ownString, responseOf, shedBody, sizeOf } from './memory-record.ts'
import { StoreError } from './store-error.ts'
import { Waiters } from './waiters.ts'

export interface MemoryStoreOptions {
  /** Bytes of all records together, their overhead included; see {@link sizeOf}. */
  readonly maxBytes: number
  /** Wall clock, milliseconds. */
  readonly now?: () => number
}

export class MemoryStore implements IdempotencyStore {
  readonly name = 'memory'
  readonly #now: () => number
  /** Claimed or dispatched, or with their lease over and not asked for since. */
  readonly #working = new Map<string, Held>()
  #workingBytes = 0
  readonly #maxWorkingBytes: number
  /** No lease of {@link #working} is over before this; wall-clock milliseconds. */
  #leaseOverMs = Number.POSITIVE_INFINITY
  /** Completed, with their body. */
  readonly #responses: LRUCache<string, Held>
  /** Completed without a body, unknown, expired. */
  readonly #remains: LRUCache<string, Held>
  readonly #waiters = new Waiters()
  #fence = 0
  #forgotten = 0

  constructor(options: MemoryStoreOptions) {
    this.#now = options.now ?? wallNowMs
    const eighth = Math.max(1, Math.floor(options.maxBytes / 8))
    this.#maxWorkingBytes = eighth
    const sizeCalculation = sizeOf
    this.#remains = new LRUCache<string, Held>({
      maxSize: eighth,
      sizeCalculation,
      dispose: (_held, _id, why) => {
        if (why === 'evict') this.#forgotten++
      },
    })
    this.#responses = new LRUCache<string, Held>({
      maxSize: eighth * 6,
      sizeCalculation,
      dispose: (held, id, why) => {
        if (why === 'evict') this.#keepRemains(id, held)
      },
    })
  }

  /** Ids that were forgotten before their time, for want of room. */
  get forgotten(): number {
    return this.#forgotten
  }

  /** Bytes held, as they are counted. */
  get bytes(): number {
    return this.#workingBytes + this.#responses.calculatedSize + this.#remains.calculatedSize
  }

  claim(request: ClaimRequest): Soon<ClaimResult> {
    const now = this.#now()
    const { id, owner } = request
    const found = this.#find(id)
    if (found !== undefined) {
      const standing = standingOf(found.entry, now)
      if (!isClaimable(standing, request.overUnknown)) {
        return { kind: 'exists', record: view(found, standing as RecordState) }
      }
      this.#remove(id)
    }
    const requestId = ownString(request.requestId)
    const held = hold(newEntry({ ...request, requestId }, nextFence(this.#fence, now), now))
    const { fence, leaseUntilMs } = held.entry
    const bytes = sizeOf(held, id)
    if (!this.#hasRoom(bytes, now)) {
      return Promise.reject(new StoreError('full', `no room for another claim, ${this.#working.size} are at work`))
    }
    this.#fence = fence
    this.#working.set(id, held)
    this.#workingBytes += bytes
    this.#leaseOverMs = Math.min(this.#leaseOverMs, leaseUntilMs)
    return { kind: 'claimed', claim: { id, owner, fence } }
  }

  dispatch(claim: Claim, fingerprint: string, leaseMs: number): boolean {
    return this.#work(claim, (entry, now) => dispatchEntry(entry, claim, fingerprint, leaseMs, now))
  }

  renew(claim: Claim, fingerprint: string, leaseMs: number): boolean {
    return this.#work(claim, (entry, now) => renewEntry(entry, claim, fingerprint, leaseMs, now))
  }

  complete(claim: Claim, fingerprint: string, response: StoredResponse): boolean {
    return this.#settle(claim, (entry, now) => completeEntry(entry, claim, fingerprint, response, now))
  }

  markUnknown(claim: Claim, fingerprint: string): boolean {
    return this.#settle(claim, (entry, now) => markEntryUnknown(entry, claim, fingerprint, now))
  }

  release(claim: Claim): boolean {
    const held = this.#find(claim.id)
    if (held === undefined || !mayRelease(held.entry, claim, this.#now())) return false
    this.#remove(claim.id)
    this.#waiters.notify(claim.id)
    return true
  }

  read(id: string): IdempotencyRecord | undefined {
    const held = this.#find(id)
    if (held === undefined) return undefined
    const standing = standingOf(held.entry, this.#now())
    return standing === 'free' ? undefined : view(held, standing)
  }

  changed(id: string, timeoutMs: number): Promise<void> {
    const held = this.#working.get(id)
    if (held === undefined) return Promise.resolve()
    return this.#waiters.wait(id, Math.min(timeoutMs, held.entry.leaseUntilMs - this.#now()))
  }

  counts(): Readonly<Partial<Record<RecordState, number>>> {
    const now = this.#now()
    const counts: Partial<Record<RecordState, number>> = {}
    for (const records of [this.#working, this.#responses, this.#remains]) {
      for (const { entry } of records.values()) {
        const standing = standingOf(entry, now)
        if (standing !== 'free') counts[standing] = (counts[standing] ?? 0) + 1
      }
    }
    return counts
  }

  async close(): Promise<void> {
    this.#waiters.close()
    this.#working.clear()
    this.#workingBytes = 0
    this.#responses.clear()
    this.#remains.clear()
  }

  #find(id: string): Held | undefined {
    return this.#working.get(id) ?? this.#responses.get(id) ?? this.#remains.get(id)
  }

  #remove(id: string): void {
    const working = this.#working.get(id)
    if (working === undefined) {
      this.#responses.delete(id)
      this.#remains.delete(id)
      return
    }
    this.#working.delete(id)
    this.#workingBytes -= sizeOf(working, id)
  }

  /** Change an entry that goes on working. */
  #work(claim: Claim, change: (entry: Entry, now: number) => boolean): boolean {
    const held = this.#working.get(claim.id)
    if (held === undefined) return false
    const before = held.entry.fingerprint
    if (!change(held.entry, this.#now())) return false
    const { fingerprint } = held.entry
    if (fingerprint !== before) {
      this.#workingBytes += fingerprint.length - before.length
      this.#waiters.notify(claim.id)
    }
    return true
  }

  /** Change an entry to its outcome. */
  #settle(claim: Claim, change: (entry: Entry, now: number) => boolean): boolean {
    const { id } = claim
    const held = this.#find(id)
    if (held === undefined) return false
    const bytes = sizeOf(held, id)
    const before = held.entry.state
    if (!change(held.entry, this.#now())) return false
    if (before === 'completed') return true
    if (this.#working.delete(id)) this.#workingBytes -= bytes
    else this.#remove(id)
    keepResponse(held)
    this.#keep(id, held)
    this.#waiters.notify(id)
    return true
  }

  #keep(id: string, held: Held): void {
    if (!held.hasBody || sizeOf(held, id) > this.#responses.maxSize) this.#keepRemains(id, held)
    else this.#responses.set(id, held)
  }

  /** An entry that is larger than all the room is forgotten, and counted as that. */
  #keepRemains(id: string, held: Held): void {
    shedBody(held)
    if (sizeOf(held, id) > this.#remains.maxSize) this.#forgotten++
    else this.#remains.set(id, held)
  }

  /** Whether a claim of so many bytes fits, after those whose lease is over have made room. */
  #hasRoom(bytes: number, now: number): boolean {
    if (this.#workingBytes + bytes <= this.#maxWorkingBytes) return true
    if (now >= this.#leaseOverMs) this.#sweep(now)
    return this.#workingBytes + bytes <= this.#maxWorkingBytes
  }

  #sweep(now: number): void {
    this.#leaseOverMs = Number.POSITIVE_INFINITY
    for (const [id, held] of this.#working) {
      const { entry } = held
      if (now < entry.leaseUntilMs) {
        this.#leaseOverMs = Math.min(this.#leaseOverMs, entry.leaseUntilMs)
        continue
      }
      this.#remove(id)
      if (entry.state !== 'dispatched') continue
      entry.state = 'unknown'
      this.#keepRemains(id, held)
    }
  }
}

function view(held: Held, standing: RecordState): IdempotencyRecord {
  const record = recordOf(held.entry, standing)
  return standing === 'completed' ? { ...record, response: responseOf(held) } : record
}
