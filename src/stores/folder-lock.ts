/** One process at a time in a folder, held by an abstract socket: with its holder it is gone, however that ended. Linux. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { realpathSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { errnoOf } from '../core/errors.ts'
import { StoreError } from './store-error.ts'

const LOOK_MS = 20

/** Runs `action` while no other process of this network namespace is in its own; waits for them up to `patienceMs`. */
export async function withFolderLock<T>(folder: string, patienceMs: number, action: () => Promise<T>): Promise<T> {
  const name = `\0hopscope-${createHash('sha256').update(realpathSync(folder)).digest('base64url')}`
  const until = performance.now() + patienceMs
  let lock = await listen(name)
  while (lock === undefined) {
    if (performance.now() > until) throw new StoreError('down', `another process is busy opening ${folder}`)
    await sleep(LOOK_MS)
    lock = await listen(name)
  }
  try {
    return await action()
  } finally {
    lock.close()
  }
}

/** Held until it is closed, or this process ends; undefined where another process has it. */
export function holdFolder(folder: string): Promise<Server | undefined> {
  return listen(`\0hopscope-owner-${createHash('sha256').update(realpathSync(folder)).digest('base64url')}`)
}

/** Undefined where another one has it. */
async function listen(name: string): Promise<Server | undefined> {
  const server = createServer((socket) => socket.destroy())
  try {
    server.listen(name)
    await once(server, 'listening')
    return server
  } catch (error) {
    if (errnoOf(error) === 'EADDRINUSE') return undefined
    throw error
  }
}
