/** Folders that go with the process of a test. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const made: string[] = []

/**
 * A new folder. It goes at the end of the process, behind all hooks, which run in the order of their making: one that is made
 * later stops who still writes there.
 */
export function tempFolder(): string {
  if (made.length === 0) process.once('exit', removeAll)
  const path = mkdtempSync(join(tmpdir(), 'hopscope-test-'))
  made.push(path)
  return path
}

function removeAll(): void {
  // A process that was killed may not have ended.
  for (const path of made) rmSync(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
}
