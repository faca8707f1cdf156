/** A name of a data folder that no other has, made when it is first asked for. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { newUuid } from '../../core/ids.ts'

export function folderId(folder: string): string {
  const path = join(folder, 'id')
  try {
    writeFileSync(path, newUuid(), { flag: 'wx', mode: 0o600 })
  } catch {
    // It is there, or cannot be made: the reading tells which.
  }
  return readFileSync(path, 'utf8')
}
