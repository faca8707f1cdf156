/**
 * Records in a file (LMDB), open in one process at a time: several share it through that one (shared-file-store.ts), since
 * the library loses records where several write (ADR 46). A record that was told as written survives the death of the
 * process; with `sync` that of the machine too. The file is bounded: where it is full, claims are refused, and outcomes
 * are kept without their body; nothing is evicted.
 */
import { wallNowMs } from '../../core/clock.ts'
import { type Logger, silentLogger } from '../../core/log.ts'
import type {
  Claim,
  ClaimRequest,
  ClaimResult,
  IdempotencyRecord,
  IdempotencyStore,
  RecordState,
  Soon,
  StoredResponse,
} from '../../exchange/idempotency-store.ts'
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
  type Standing,
  standingOf,
} from '../lifecycle.ts'
import { StoreError } from '../store-error.ts'
import { type Look, Watch } from '../watch.ts'
import { bootIdOf, prepareFolder } from './guard.ts'
import { openLmdb } from './lmdb-database.ts'
import { FileRecords, type Kept } from './records.ts'
import { FileSweep } from './sweep.ts'
import { FileSync } from './sync.ts'

export interface FileStoreOptions {
  /** It is there, and this process's alone. */
  readonly folder: string
  /**
   * On the disk before it is told: survives a loss of power, and waits for the disk. Without, what was written in the last
   * second may be lost then. The same for all processes that share the folder.
   */
  readonly sync: boolean
  /** Bytes of all records. The file itself may grow to twice that, where free pages lie scattered. */
  readonly maxBytes: number
  /** Wall clock, milliseconds. */
  readonly now?: () => number
  readonly log?: Logger
}

/** Tries of a conditional write: each one that fails means that another request got its own through. */
const TRIES = 32

/** Longest pause between two looks at a record whose lease may end, a matter of some microseconds. */
const LAST_LOOK_MS = 50

/** What stands for a record that cannot be read, or that another version of this program wrote: in doubt. */
const UNREADABLE: IdempotencyRecord = {
  state: 'unknown',
  fingerprint: '',
  createdMs: 0,
  requestId: '',
  traceparent: '',
  response: undefined,
}

export class FileStore implements IdempotencyStore {
  readonly name = 'file'
  readonly #records: FileRecords
  readonly #watch: Watch
  readonly #sweep: FileSweep
  readonly #sync: FileSync | undefined
  readonly #now: () => number
  #fence = 0

  private constructor(records: FileRecords, sync: FileSync | undefined, now: () => number) {
    this.#records = records
    this.#sync = sync
    this.#now = now
    this.#watch = new Watch((id) => this.#look(id), LAST_LOOK_MS)
    this.#sweep = new FileSweep(records, now)
    this.#sweep.start()
  }

  static async open(options: FileStoreOptions): Promise<FileStore> {
    const { folder, maxBytes, now = wallNowMs, log = silentLogger } = options
    const bootId = bootIdOf()
    const sync = options.sync || bootId === undefined
    if (bootId !== undefined) await prepareFolder(folder, bootId, sync, log)
    const records = new FileRecords(await openLmdb(folder, sync), sync, maxBytes)
    return new FileStore(records, sync ? undefined : new FileSync(folder, bootId!, records), now)
  }

  /** Records that could not be read, and bodies that were lost or had no room, since the start. */
  get losses(): { readonly damaged: number; readonly bodies: number } {
    return { damaged: this.#records.damaged, bodies: this.#records.bodiesLost }
  }

  claim(request: ClaimRequest): Soon<ClaimResult> {
    return this.#claim(request, TRIES)
  }

  #claim(request: ClaimRequest, tries: number): Soon<ClaimResult> {
    const { id, owner } = request
    const now = this.#now()
    const kept = this.#records.get(id)
    const standing = standingOfKept(kept, now)
    if (!isClaimable(standing, kept?.entry?.owner, request))
      return { kind: 'exists', record: this.#record(id, kept!, standing) }
    if (!this.#records.hasRoom) return Promise.reject(new StoreError('full', 'the file is full'))
    if (tries === 0) return Promise.reject(new StoreError('down', 'others were always faster'))
    this.#fence = nextFence(Math.max(this.#fence, kept?.entry?.fence ?? 0), now)
    const entry = newEntry(request, this.#fence, now)
    return after(this.#records.replace(id, kept, entry), (written) => {
      return written ? { kind: 'claimed', claim: { id, owner, fence: entry.fence } } : this.#claim(request, tries - 1)
    })
  }

  dispatch(claim: Claim, fingerprint: string, leaseMs: number): Soon<boolean> {
    return this.#change(claim, (entry, now) => dispatchEntry(entry, claim, fingerprint, leaseMs, now))
  }

  renew(claim: Claim, fingerprint: string, leaseMs: number): Soon<boolean> {
    return this.#change(claim, (entry, now) => renewEntry(entry, claim, fingerprint, leaseMs, now))
  }

  complete(claim: Claim, fingerprint: string, response: StoredResponse): Soon<boolean> {
    return this.#change(claim, (entry, now) => completeEntry(entry, claim, fingerprint, response, now))
  }

  markUnknown(claim: Claim, fingerprint: string): Soon<boolean> {
    return this.#change(claim, (entry, now) => markEntryUnknown(entry, claim, fingerprint, now))
  }

  /** Read, change, write where nobody wrote in between; else again. */
  #change(claim: Claim, change: (entry: Entry, now: number) => boolean, tries = TRIES): Soon<boolean> {
    const { id } = claim
    const kept = this.#records.get(id)
    if (kept?.entry === undefined) return false
    const before = kept.entry.state
    if (!change(kept.entry, this.#now())) return false
    // Its outcome is there already, asked for again.
    if (before === 'completed') return true
    if (tries === 0) return Promise.reject(new StoreError('down', 'others were always faster'))
    return after(this.#records.replace(id, kept, kept.entry), (written) => {
      return written ? this.#told(id) : this.#change(claim, change, tries - 1)
    })
  }

  release(claim: Claim): Soon<boolean> {
    return this.#release(claim, TRIES)
  }

  #release(claim: Claim, tries: number): Soon<boolean> {
    const { id } = claim
    const kept = this.#records.get(id)
    if (kept?.entry === undefined || !mayRelease(kept.entry, claim, this.#now())) return false
    if (tries === 0) return Promise.reject(new StoreError('down', 'others were always faster'))
    return after(this.#records.remove(id, kept), (removed) => {
      return removed ? this.#told(id) : this.#release(claim, tries - 1)
    })
  }

  #told(id: string): true {
    this.#watch.notify(id)
    return true
  }

  read(id: string): IdempotencyRecord | undefined {
    const kept = this.#records.get(id)
    const standing = standingOfKept(kept, this.#now())
    return standing === 'free' ? undefined : this.#record(id, kept!, standing)
  }

  #record(id: string, kept: Kept, standing: Standing): IdempotencyRecord {
    if (kept.entry === undefined) return UNREADABLE
    const record = recordOf(kept.entry, standing as RecordState)
    return record.response === undefined ? record : { ...record, response: this.#records.responseOf(id, kept) }
  }

  changed(id: string, timeoutMs: number): Promise<void> {
    return this.#watch.wait(id, timeoutMs)
  }

  #look(id: string): Look {
    const kept = this.#records.get(id)
    const standing = standingOfKept(kept, this.#now())
    return { inFlight: standing === 'claimed' || standing === 'dispatched', token: kept?.version ?? 0 }
  }

  counts(): Readonly<Partial<Record<RecordState, number>>> {
    return this.#sweep.counts
  }

  /** One step of the sweep, for tests: true at the end of a walk. */
  sweep(keys: number): Promise<boolean> {
    return this.#sweep.step(keys)
  }

  async close(): Promise<void> {
    this.#sweep.stop()
    this.#watch.close()
    await this.#sync?.stop()
    await this.#records.close()
  }
}

function standingOfKept(kept: Kept | undefined, now: number): Standing {
  if (kept === undefined) return 'free'
  return kept.entry === undefined ? 'unknown' : standingOf(kept.entry, now)
}

/** Go on with an answer, at once where it is there at once. */
function after<T, R>(answer: Soon<T>, go: (value: T) => Soon<R>): Soon<R> {
  return answer instanceof Promise ? answer.then(go) : go(answer)
}
