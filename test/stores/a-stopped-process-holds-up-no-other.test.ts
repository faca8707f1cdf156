import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { FileStore } from '../../src/stores/file.ts'
import { claimRequest, newId } from './requests.ts'
import { tempFolder } from './temp-folder.ts'

const PROGRAM = fileURLToPath(new URL('working-process.js', import.meta.url))

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 8000
  while (!holds()) {
    assert.ok(performance.now() < deadline, what)
    await sleep(20)
  }
}

test('alone, the store writes at once; with another process it lets a thread wait for the lock', async () => {
  const folder = tempFolder()
  const path = join(folder.path, 'store')
  const log = join(folder.path, 'log')
  writeFileSync(log, '')
  const store = await FileStore.open({ folder: path, sync: false, maxBytes: 2 ** 26 })
  const isAtOnce = (): boolean => {
    const answer = store.claim(claimRequest(newId()))
    if (answer instanceof Promise) answer.catch(() => {})
    return !(answer instanceof Promise)
  }
  assert.ok(isAtOnce(), 'alone')
  const other = fork(PROGRAM, [`file:${path}?shared=true`, log, '100000'])
  await once(other, 'message')
  await until('with another', () => !isAtOnce())
  // Stopped at any moment, with the lock in its hands or not: this process goes on.
  for (let round = 0; round < 30; round++) {
    await sleep(Math.random() * 10)
    other.kill('SIGSTOP')
    const answer = Promise.resolve(store.claim(claimRequest(newId())))
    await Promise.race([answer, sleep(30)])
    other.kill('SIGCONT')
    assert.equal((await answer).kind, 'claimed')
  }
  const exited = once(other, 'exit')
  other.kill('SIGKILL')
  await exited
  await until('alone again', isAtOnce)
  await store.close()
  folder.remove()
})
