/** A lock on a file that ends with its process, however that ends: flock(2). Holds across containers that share the file. */
import { closeSync, openSync } from 'node:fs'
import { libc } from './libc.ts'

const LOCK_EX = 2
const LOCK_NB = 4

/** Held until {@link FileLock.release}, or until this process is gone. */
export class FileLock {
  #fd: number | undefined

  private constructor(fd: number) {
    this.#fd = fd
  }

  /** Undefined: another one has it. Throws where the file cannot be opened, or where there is no flock. */
  static take(path: string): FileLock | undefined {
    const calls = libc()
    if ('missing' in calls) throw new Error(`no lock on ${path}: ${calls.missing}`)
    const fd = openSync(path, 'a', 0o600)
    if (calls.flock(fd, LOCK_EX | LOCK_NB) === 0) return new FileLock(fd)
    const errno = calls.errno()
    closeSync(fd)
    if (errno === 'EAGAIN') return undefined
    throw new Error(`no lock on ${path}: ${errno}`)
  }

  release(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
  }
}
