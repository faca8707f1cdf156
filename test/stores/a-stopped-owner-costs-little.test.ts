import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { silentLogger } from '../../src/core/log.ts'
import { openStore } from '../../src/stores/open.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { claimRequest, newId } from './requests.ts'

const PROGRAM = fileURLToPath(new URL('working-process.js', import.meta.url))
const BUDGET_MS = 50

test('the process that writes is stopped: others are told in time, and go on when it does', async (t) => {
  const folder = tempFolder()
  const log = join(folder, 'log')
  writeFileSync(log, '')
  const url = `file:${join(folder, 'store')}`
  const owner = fork(PROGRAM, [url, log, '100000'])
  await once(owner, 'message')
  const store = await openStore(url, {
    log: silentLogger,
    breaker: { budgetMs: BUDGET_MS, failures: 3, firstProbeMs: 20, lastProbeMs: 50 },
  })
  t.after(async () => {
    const exited = once(owner, 'exit')
    owner.kill('SIGKILL')
    await exited
    await store.close()
  })
  const claim = async (): Promise<string> => {
    const { kind } = await store.claim(claimRequest(newId()))
    return kind
  }
  assert.equal(await claim(), 'claimed')
  owner.kill('SIGSTOP')
  const startMs = performance.now()
  for (let i = 0; i < 10; i++) await assert.rejects(claim, /took more than 50 ms|tried again in the background/)
  // Three waited for the budget, seven were not asked: less than ten times the budget, with room for a busy machine.
  assert.ok(performance.now() - startMs < 10 * BUDGET_MS, `${performance.now() - startMs} ms`)
  owner.kill('SIGCONT')
  const until = performance.now() + 8000
  while ((await claim().catch(() => 'down')) !== 'claimed') {
    assert.ok(performance.now() < until, 'it never came back')
    await sleep(20)
  }
})
