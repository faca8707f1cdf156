/**
 * What a file store without `sync` does about a loss of power. The kernel writes pages in the order that it likes, so that the
 * file may be torn then, and a torn file can end the process that reads it. Beside the file stands what boot of the
 * machine wrote it and up to which transaction it was on the disk at least. After another boot, a file with later ones is
 * read by a process of its own, which saves what is sound into a new file.
 */
import { fork } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from '../../core/log.ts'

export const DATA_FILE = 'data.mdb'
const LOCK_FILE = 'lock.mdb'
const STATE_FILE = 'boot.json'
/** Where the sound records are gathered. */
const SAVED_FOLDER = 'saved'
/** The torn file, for those who want to look; the last one only. */
const TORN_FILE = 'torn.mdb'
const RECOVERY_MS = 120_000

/** Beside the data file. */
interface BootState {
  readonly bootId: string
  /** On the disk with all before it; -1 for none. */
  readonly syncedTxn: number
}

/** What the process that looks at a file after another boot is asked, and answers. */
export interface RecoveryOrder {
  readonly folder: string
  readonly saved: string
  readonly syncedTxn: number
}
export type RecoveryResult =
  | { readonly kind: 'clean' }
  | { readonly kind: 'saved'; readonly records: number; readonly lost: number }

/** The boot of this machine; undefined where it cannot be told, and then nothing goes without `sync`. */
export function bootIdOf(): string | undefined {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
  } catch {
    return undefined
  }
}

/** Makes the folder, which is this process's, ready: after it, the data file may be opened. */
export async function prepareFolder(folder: string, bootId: string, sync: boolean, log: Logger): Promise<void> {
  const state = readState(folder)
  if (state !== undefined && state.bootId !== bootId && existsSync(join(folder, DATA_FILE))) {
    await recover(folder, state.syncedTxn, log)
  }
  if (sync && state !== undefined) await forgetState(folder)
  if (!sync) await writeState(folder, { bootId, syncedTxn: state?.bootId === bootId ? state.syncedTxn : -1 })
}

/** From now on all is written with `sync`: what was not until now goes to the disk first. */
async function forgetState(folder: string): Promise<void> {
  if (existsSync(join(folder, DATA_FILE))) await syncFile(join(folder, DATA_FILE))
  await rm(join(folder, STATE_FILE), { force: true })
}

/** Undefined: written with `sync` only, or new. */
function readState(folder: string): BootState | undefined {
  let text: string
  try {
    text = readFileSync(join(folder, STATE_FILE), 'utf8')
  } catch {
    return undefined
  }
  try {
    const { bootId, syncedTxn } = JSON.parse(text) as Partial<BootState>
    return { bootId: String(bootId), syncedTxn: Number(syncedTxn) }
  } catch {
    return { bootId: 'damaged', syncedTxn: -1 }
  }
}

async function writeState(folder: string, state: BootState): Promise<void> {
  const path = join(folder, STATE_FILE)
  const next = `${path}.${process.pid}`
  const file = await open(next, 'w')
  try {
    await file.writeFile(JSON.stringify(state))
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(next, path)
  await syncFolder(folder)
}

async function syncFolder(folder: string): Promise<void> {
  const entry = await open(folder, 'r')
  try {
    await entry.sync()
  } finally {
    await entry.close()
  }
}

/** Brings all that was written to the disk, and says so beside the file. `lastTxn` is read before. */
export async function syncData(folder: string, bootId: string, lastTxn: number): Promise<void> {
  await syncFile(join(folder, DATA_FILE))
  await writeState(folder, { bootId, syncedTxn: lastTxn })
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    await file.datasync()
  } finally {
    await file.close()
  }
}

async function recover(folder: string, syncedTxn: number, log: Logger): Promise<void> {
  const saved = join(folder, SAVED_FOLDER)
  await rm(saved, { recursive: true, force: true })
  const result = await runRecovery({ folder, saved, syncedTxn })
  if (result?.kind === 'clean') return
  await rename(join(folder, DATA_FILE), join(folder, TORN_FILE))
  await rm(join(folder, LOCK_FILE), { force: true })
  if (result === undefined) {
    await rm(saved, { recursive: true, force: true })
    log.error({ store: 'file', folder }, 'the machine went down while records were written, and none could be saved')
    return
  }
  await rename(join(saved, DATA_FILE), join(folder, DATA_FILE))
  await rm(saved, { recursive: true, force: true })
  const { records, lost } = result
  log.warn(
    { store: 'file', folder, records, lost },
    'the machine went down while records were written: the last may miss',
  )
}

/** Undefined: it did not come to an end. */
function runRecovery(order: RecoveryOrder): Promise<RecoveryResult | undefined> {
  return new Promise((resolve) => {
    const child = fork(new URL('./recovery.js', import.meta.url), [], { execArgv: [], stdio: 'ignore' })
    const timer = setTimeout(() => child.kill('SIGKILL'), RECOVERY_MS)
    let result: RecoveryResult | undefined
    child.on('message', (message) => {
      result = message as RecoveryResult
    })
    const done = (): void => {
      clearTimeout(timer)
      resolve(result)
    }
    child.on('error', done)
    child.on('exit', done)
    child.send(order, () => {})
  })
}
