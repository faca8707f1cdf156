/** The folder of a file store: who has it, and where its owner is spoken to. Linux, as locks and sockets of it are. */
import { closeSync, openSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { FileLock } from '../../native/file-lock.ts'

/** Beside the records: a lock that ends with its process, and the owner's socket. */
const OWNER_FOLDER = 'owner'

export interface Folder {
  readonly socketPath: string
  /** Undefined: another process has the folder. */
  lock(): FileLock | undefined
  close(): void
}

/** Made where it is missing; responses are in it: for nobody else's eyes. */
export async function openFolder(folder: string): Promise<Folder> {
  const own = join(folder, OWNER_FOLDER)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await mkdir(own, { recursive: true, mode: 0o700 })
  // The path of a socket is of 107 bytes at most, that of a folder is not.
  const fd = openSync(own, 'r')
  return {
    socketPath: `/proc/self/fd/${fd}/socket`,
    lock: () => FileLock.take(join(own, 'lock')),
    close: () => closeSync(fd),
  }
}
