/** The part of `lmdb` that we use, and how it is opened. Loaded when a file store is opened, never before. */

export interface LmdbEntry {
  readonly value: Buffer
  readonly version?: number
}

/** Binary keys and values; every value carries a version of ours, on which writes are conditional. */
export interface LmdbDatabase {
  getEntry(key: Buffer): LmdbEntry | undefined
  /** Valid until the next read only where it is copied before; this one copies. */
  getBinary(key: Buffer): Buffer | undefined
  /** `ifVersion` null: only where there is no such key. False: the condition did not hold, nothing was written. */
  put(key: Buffer, value: Buffer, version: number, ifVersion?: number | null): Promise<boolean>
  remove(key: Buffer, ifVersion?: number): Promise<boolean>
  /** Whether the key is there and of that version; with null, whether it is not there. */
  doesExist(key: Buffer, version: number | null): boolean
  /** Writes on this thread, which waits for the lock. */
  transactionSync<T>(action: () => T, flags: number): T
  /** Writes made by `action` happen together, or not at all where the version differs; null: where there is no key. */
  ifVersion(key: Buffer, version: number | null, action: () => void): Promise<boolean>
  getKeys(options: { readonly start?: Buffer; readonly limit: number; readonly snapshot: boolean }): Iterable<Buffer>
  getStats(): LmdbStats
  /** The next read sees what is committed now. */
  resetReadTxn(): void
  /** Slots of readers that died are given back. */
  readerCheck(): number
  close(): Promise<void>
}

export interface LmdbStats {
  readonly pageSize: number
  readonly treeBranchPageCount: number
  readonly treeLeafPageCount: number
  readonly overflowPages: number
  readonly entryCount: number
  readonly lastPageNumber: number
  readonly lastTxnId: number
}

/**
 * `sync`: a commit is on the disk before it is told. Without, the kernel writes it when it likes: what a killed process
 * wrote is there, what a machine without power wrote may be torn (see file-guard). The library's own middle way, which
 * commits first and syncs after, was measured to wait for the disk as well.
 */
export async function openLmdb(folder: string, sync: boolean): Promise<LmdbDatabase> {
  const { open } = await import('lmdb')
  const options = {
    path: folder,
    // A folder, also where its name has a dot.
    noSubdir: false,
    encoding: 'binary' as const,
    keyEncoding: 'binary' as const,
    useVersions: true,
    overlappingSync: false,
    // With it the library makes a promise of its own for each turn, which nobody hears: a disk without space would end
    // the process. Writes of one turn go into one transaction all the same.
    eventTurnBatching: false,
    noSync: !sync,
    // Known to the library, not to its types.
    permissionsMode: 0o600,
  }
  return open(options) as unknown as LmdbDatabase
}
