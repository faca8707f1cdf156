/**
 * The file store as processes of one host share it. One of them, whoever locks the folder first, has the file open and
 * writes; the others ask it, over a socket in the folder. When it is gone, by kill -9 as well, another one takes over, and what
 * was not answered is asked again: each operation may be repeated by its owner, so that it happens once.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { errnoOf } from '../../core/errors.ts'
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
import { asStoreError, StoreError } from '../store-error.ts'
import { Waiters } from '../waiters.ts'
import { Calls } from './calls.ts'
import { FileStore, type FileStoreOptions } from './file-store.ts'
import { type Folder, openFolder } from './folder.ts'
import { Guest } from './guest.ts'
import { Owner } from './owner.ts'
import { type Call, perform } from './wire.ts'

/** Between two tries to own the folder or to find who does: another one may be opening the file just now. */
const FIRST_PAUSE_MS = 2
const LAST_PAUSE_MS = 200
/** At the start: longer, and the file is told as not to be opened. */
const OPEN_MS = 1500
/** Without an owner for so long, calls fail at once until there is one. */
const ORPHANED_MS = 1000

type Role = Owner | Guest

export class SharedFileStore implements IdempotencyStore {
  readonly name = 'file'
  readonly #options: FileStoreOptions
  readonly #folder: Folder
  readonly #log: Logger
  readonly #calls = new Calls()
  readonly #waiters = new Waiters()
  #role: Role | undefined
  /** Why there is nobody to ask. */
  #failure: StoreError | undefined
  #closed = false
  #electing: Promise<void> = Promise.resolve()

  private constructor(options: FileStoreOptions, folder: Folder) {
    this.#options = options
    this.#folder = folder
    this.#log = options.log ?? silentLogger
  }

  /** Rejects where the folder can't be had: not writable, a file that cannot be opened, an owner that does not fit. */
  static async open(options: FileStoreOptions): Promise<SharedFileStore> {
    const store = new SharedFileStore(options, await openFolder(options.folder))
    try {
      await store.#elect(performance.now() + OPEN_MS)
      return store
    } catch (error) {
      await store.close()
      throw error
    }
  }

  /** Whether this process is the one that writes. */
  get isOwner(): boolean {
    return this.#role?.kind === 'owner'
  }

  /** Until this process owns the folder or has found who does. Rejects after `until`. */
  async #elect(until: number): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS
    while (!this.#closed) {
      try {
        const role = await this.#tryOnce()
        if (role !== undefined) return await this.#take(role)
      } catch (error) {
        const { fault, message } = asStoreError(error, 'opening it')
        this.#failure = new StoreError(fault, `${this.#options.folder}: ${message}`, error)
      }
      if (performance.now() > until)
        throw this.#failure ?? new StoreError('down', `${this.#options.folder}: another process is busy opening it`)
      await sleep(pauseMs)
      pauseMs = Math.min(LAST_PAUSE_MS, pauseMs * 2)
    }
  }

  /** Undefined: whoever locked the folder is not to be spoken to yet. */
  async #tryOnce(): Promise<Role | undefined> {
    const { sync } = this.#options
    const lock = this.#folder.lock()
    if (lock === undefined) return this.#visit()
    let store: FileStore | undefined
    try {
      store = await FileStore.open(this.#options)
      return await Owner.start(store, lock, this.#folder.socketPath, { sync })
    } catch (error) {
      // Whoever locks the folder next must be the only one that has the file.
      await store?.close()
      lock.release()
      throw error
    }
  }

  async #visit(): Promise<Guest | undefined> {
    try {
      return await Guest.connect(
        this.#folder.socketPath,
        { sync: this.#options.sync },
        { onAnswer: (answer) => this.#calls.answer(answer), onClose: () => this.#lost() },
      )
    } catch (error) {
      if (['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes(errnoOf(error) ?? '')) return undefined
      throw error
    }
  }

  async #take(role: Role): Promise<void> {
    if (this.#closed) return role.close()
    this.#role = role
    this.#failure = undefined
    if (role.kind === 'guest') for (const frame of this.#calls.frames()) role.send(frame)
    else this.#calls.settle((call) => perform(role.store, call))
  }

  #lost(): void {
    this.#role = undefined
    if (this.#closed) return
    const orphaned = setTimeout(() => this.#abandon(), ORPHANED_MS).unref()
    this.#electing = this.#elect(Number.POSITIVE_INFINITY).finally(() => clearTimeout(orphaned))
  }

  #abandon(): void {
    this.#failure ??= new StoreError('down', 'the process that wrote the file is gone, and nobody took its place')
    this.#log.warn({ store: 'file', err: this.#failure }, 'nobody writes the idempotency file')
    this.#calls.reject(this.#failure)
  }

  #ask(call: Call): Soon<unknown> {
    const role = this.#role
    if (role?.kind === 'owner') return perform(role.store, call)
    if (this.#closed) return Promise.reject(new StoreError('closed', 'the file store is closed'))
    if (role === undefined && this.#failure !== undefined) return Promise.reject(this.#failure)
    return this.#calls.make(call, role === undefined ? undefined : (frame) => role.send(frame))
  }

  claim(request: ClaimRequest): Soon<ClaimResult> {
    return this.#ask(['claim', request]) as Soon<ClaimResult>
  }

  dispatch(claim: Claim, fingerprint: string, leaseMs: number): Soon<boolean> {
    return this.#ask(['dispatch', claim, fingerprint, leaseMs]) as Soon<boolean>
  }

  renew(claim: Claim, fingerprint: string, leaseMs: number): Soon<boolean> {
    return this.#ask(['renew', claim, fingerprint, leaseMs]) as Soon<boolean>
  }

  complete(claim: Claim, fingerprint: string, response: StoredResponse): Soon<boolean> {
    return this.#ask(['complete', claim, fingerprint, response]) as Soon<boolean>
  }

  markUnknown(claim: Claim, fingerprint: string): Soon<boolean> {
    return this.#ask(['markUnknown', claim, fingerprint]) as Soon<boolean>
  }

  release(claim: Claim): Soon<boolean> {
    return this.#ask(['release', claim]) as Soon<boolean>
  }

  read(id: string): Soon<IdempotencyRecord | undefined> {
    return this.#ask(['read', id]) as Soon<IdempotencyRecord | undefined>
  }

  counts(): Soon<Readonly<Partial<Record<RecordState, number>>>> {
    return this.#ask(['counts']) as Soon<Readonly<Partial<Record<RecordState, number>>>>
  }

  /** One call for all of this process who wait for one id. */
  changed(id: string, timeoutMs: number): Promise<void> {
    if (this.#role?.kind === 'owner') return this.#role.store.changed(id, timeoutMs)
    if (this.#closed) return Promise.resolve()
    const isFirst = !this.#waiters.has(id)
    const waited = this.#waiters.wait(id, timeoutMs)
    if (isFirst) void this.#listen(id, timeoutMs)
    return waited
  }

  /** A call that fails wakes nobody: the wait ends in time, and what is asked then tells the failure. */
  async #listen(id: string, timeoutMs: number): Promise<void> {
    try {
      await this.#ask(['changed', id, timeoutMs])
    } catch {
      return
    }
    this.#waiters.notify(id)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#calls.reject(new StoreError('closed', 'the file store is closed'))
    this.#waiters.close()
    await this.#electing
    await this.#role?.close()
    this.#role = undefined
    this.#folder.close()
  }
}
