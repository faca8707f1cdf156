import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { silentLogger } from '../../src/core/log.ts'
import type { IdempotencyStore } from '../../src/exchange/idempotency-store.ts'
import { openStore } from '../../src/stores/open.ts'
import { claimRequest, newId } from './requests.ts'
import { tempFolder } from './temp-folder.ts'

const PROGRAM = fileURLToPath(new URL('working-process.js', import.meta.url))

test('while another process has the file, the store is down; when that one is killed, it is there', async (t) => {
  const folder = tempFolder()
  const log = join(folder.path, 'log')
  writeFileSync(log, '')
  const url = `file:${join(folder.path, 'store')}`
  const other = fork(PROGRAM, [url, log, '100'])
  const exited = once(other, 'exit')
  await once(other, 'message')
  const store = await openStore(url, { log: silentLogger, breaker: { firstProbeMs: 20, lastProbeMs: 100 } })
  t.after(async () => {
    other.kill('SIGKILL')
    await exited
    await store.close()
    folder.remove()
  })
  await assert.rejects(async () => store.claim(claimRequest(newId())), /another process has/)
  other.kill('SIGKILL')
  await exited
  await claims(store)
})

test('a file that could not be opened at first is opened later: the failed try does not hold the folder', async (t) => {
  const folder = tempFolder()
  const place = join(folder.path, 'store')
  mkdirSync(join(place, 'data.mdb'), { recursive: true })
  const store = await openStore(`file:${place}`, { log: silentLogger, breaker: { firstProbeMs: 20, lastProbeMs: 100 } })
  t.after(async () => {
    await store.close()
    folder.remove()
  })
  await assert.rejects(async () => store.claim(claimRequest(newId())))
  rmSync(join(place, 'data.mdb'), { recursive: true })
  await claims(store)
})

/** Waits until a claim is taken. */
async function claims(store: IdempotencyStore): Promise<void> {
  const until = performance.now() + 15_000
  for (;;) {
    const claimed = await Promise.resolve()
      .then(() => store.claim(claimRequest(newId())))
      .then(
        ({ kind }) => kind === 'claimed',
        () => false,
      )
    if (claimed) return
    assert.ok(performance.now() < until, 'it never came')
    await sleep(50)
  }
}
