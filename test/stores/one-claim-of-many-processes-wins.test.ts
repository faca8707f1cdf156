import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { freePort } from '../support/free-port.ts'
import { tempFolder } from '../support/temp-folder.ts'
import type { Order } from './claiming-process.ts'
import { noRedis, startRedis } from './redis-server.ts'
import { newId } from './requests.ts'

const PROCESSES = 3
const CLAIMS = 334
const IDS = 5
const PROGRAM = fileURLToPath(new URL('claiming-process.js', import.meta.url))

async function race(url: string): Promise<void> {
  const processes = Array.from({ length: PROCESSES }, () => fork(PROGRAM, [url]))
  try {
    await Promise.all(processes.map((process) => once(process, 'message')))
    for (let i = 0; i < IDS; i++) {
      const order: Order = { id: newId(), claims: CLAIMS }
      const won = await Promise.all(processes.map((process) => ask(process, order)))
      assert.equal(
        won.reduce((sum, one) => sum + one, 0),
        1,
        `claims that won: ${won.join(' + ')}`,
      )
    }
  } finally {
    await Promise.all(processes.map(leave))
  }
}

async function ask(process: ChildProcess, order: Order): Promise<number> {
  const answer = once(process, 'message')
  process.send(order)
  const [won] = await answer
  return won as number
}

async function leave(process: ChildProcess): Promise<void> {
  const exited = once(process, 'exit')
  process.disconnect()
  await exited
}

test('file', async () => {
  const folder = tempFolder()
  await race(`file:${folder}`)
})

test('redis', { skip: noRedis }, async () => {
  const folder = tempFolder()
  const server = await startRedis(folder, await freePort())
  await race(server.url)
  await server.kill()
})
