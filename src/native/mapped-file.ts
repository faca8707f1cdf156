/** A file as memory: what is written there is the kernel's, and outlives the process however that ends. */
import { closeSync, openSync } from 'node:fs'
import { getSystemErrorName } from 'node:util'
import { libc } from './libc.ts'

/**
 * A new file of `bytes`, mapped for as long as the process lives; readable by its owner alone. Its blocks are taken at
 * once: a full disk would end the process at the write otherwise (SIGBUS). Throws where there is no such thing.
 */
export function createMapped(path: string, bytes: number): ArrayBuffer {
  const calls = libc()
  if ('missing' in calls) throw new Error(`no memory-mapped file: ${calls.missing}`)
  const fd = openSync(path, 'wx+', 0o600)
  try {
    const errno = calls.posixFallocate(fd, 0, bytes)
    if (errno !== 0) throw new Error(`no ${bytes} bytes for ${path}: ${getSystemErrorName(-errno)}`)
    const memory = calls.mapShared(fd, bytes)
    if (memory === undefined) throw new Error(`${path} cannot be mapped: ${calls.errno()}`)
    return memory
  } finally {
    // The mapping stays.
    closeSync(fd)
  }
}
