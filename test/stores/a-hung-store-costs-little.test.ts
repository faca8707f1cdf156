import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { silentLogger } from '../../src/core/log.ts'
import type { Claim, IdempotencyStore } from '../../src/exchange/idempotency-store.ts'
import { Breaker, DEFAULT_BREAKER } from '../../src/stores/breaker.ts'
import { MemoryStore } from '../../src/stores/memory.ts'
import { openStore } from '../../src/stores/open.ts'
import { freePort } from '../support/free-port.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { noRedis, type RedisServer, startRedis } from './redis-server.ts'
import { claimed, claimRequest, claimState, newId, response } from './requests.ts'

const BUDGET_MS = 50
/** What a timer and the machine may add. */
const SLACK_MS = 100

async function withRedis(
  run: (store: Breaker, server: RedisServer) => Promise<void>,
  budgetMs = BUDGET_MS,
): Promise<void> {
  const folder = tempFolder()
  const server = await startRedis(folder, await freePort())
  const breaker = { budgetMs, firstProbeMs: 50, lastProbeMs: 100 }
  const store = (await openStore(server.url, { log: silentLogger, breaker })) as Breaker
  try {
    // What the first operation of each kind costs is not what is measured.
    await claimedInTime(store)
    await run(store, server)
  } finally {
    server.process.kill('SIGCONT')
    await store.close()
    await server.kill()
  }
}

/** A claim within the budget: a loaded machine may take more than one try. */
async function claimedInTime(store: Breaker): Promise<Claim> {
  let claim: Claim | undefined
  await until('a claim is answered in time', async () => {
    claim = await claimed(store, claimRequest(newId())).catch(() => undefined)
    return claim !== undefined
  })
  return claim!
}

async function failsIn(ask: () => unknown): Promise<number> {
  const start = performance.now()
  await assert.rejects(async () => ask())
  return performance.now() - start
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 8000
  while (!(await holds())) {
    assert.ok(performance.now() < deadline, what)
    await sleep(10)
  }
}

async function answers(store: IdempotencyStore): Promise<boolean> {
  try {
    await store.read(newId())
    return true
  } catch {
    return false
  }
}

test('a redis that hangs costs the budget, then nothing, and is taken back when it answers', { skip: noRedis }, () =>
  withRedis(async (store, server) => {
    server.process.kill('SIGSTOP')
    const took = [await failsIn(() => store.claim(claimRequest(newId())))]
    while (!store.status.open) took.push(await failsIn(() => store.read(newId())))
    for (const ms of took) assert.ok(ms >= BUDGET_MS - 2 && ms < BUDGET_MS + SLACK_MS, `${took.join(', ')} ms`)
    const open = await failsIn(() => store.claim(claimRequest(newId())))
    assert.ok(open < 30, `${open} ms while it is known to hang`)
    assert.equal(store.status.opened, 1)
    server.process.kill('SIGCONT')
    await until('it is asked again', () => answers(store))
    assert.equal(store.status.open, false)
  }),
)

test('a claim that took effect after it was given up is given back', { skip: noRedis }, () =>
  withRedis(async (store, server) => {
    const id = newId()
    server.process.kill('SIGSTOP')
    await failsIn(() => store.claim(claimRequest(id)))
    server.process.kill('SIGCONT')
    await until('the id is free long before its lease is over', async () => {
      return (await claimState(store, claimRequest(id))) === 'free'
    })
  }),
)

test('a release that failed is made up for', { skip: noRedis }, () =>
  withRedis(async (store, server) => {
    const claim = await claimedInTime(store)
    server.process.kill('SIGSTOP')
    while (!store.status.open) await failsIn(() => store.read(newId()))
    await failsIn(() => store.release(claim))
    assert.equal(store.status.owed, 1)
    server.process.kill('SIGCONT')
    await until('the id is free', async () => {
      return (await answers(store)) && (await claimState(store, claimRequest(claim.id))) === 'free'
    })
    assert.equal(store.status.owed, 0)
  }),
)

test('a release that failed alone is made up for when the store answers again', async () => {
  const inner = new MemoryStore({ maxBytes: 4 * 1024 * 1024 })
  const store = new Breaker(inner, { ...DEFAULT_BREAKER, log: silentLogger })
  const claim = await claimed(store, claimRequest(newId()))
  const { release } = inner
  inner.release = () => {
    throw new Error('its connection was lost, by a test')
  }
  await failsIn(() => store.release(claim))
  inner.release = release
  assert.equal(store.status.open, false)
  await store.read(newId())
  await until('the id is free', async () => inner.read(claim.id) === undefined)
  assert.equal(store.status.owed, 0)
  await store.close()
})

test('all operations of a claim share one budget', { skip: noRedis }, () => {
  const budgetMs = 2000
  return withRedis(async (store, server) => {
    const start = performance.now()
    setTimeout(() => server.process.kill('SIGCONT'), 500)
    server.process.kill('SIGSTOP')
    const claim = await claimed(store, claimRequest(newId()))
    const spent = performance.now() - start
    assert.ok(spent >= 450, `${spent} ms`)
    server.process.kill('SIGSTOP')
    const left = await failsIn(() => store.dispatch(claim, '', 60_000))
    assert.ok(left < budgetMs - 450 + SLACK_MS, `${left} ms after ${spent}`)
    const after = await failsIn(() => store.complete(claim, '', response()))
    assert.ok(after < SLACK_MS, `${after} ms when all is spent`)
    assert.equal(store.status.open, false, 'short budgets say nothing of the store')
    setTimeout(() => server.process.kill('SIGCONT'), 300)
    assert.equal(await store.complete(claim, '', response()), true, 'asked again, when nobody waits for it')
  }, budgetMs)
})

test('a store that is not there does not stop the start, and is used once it is', { skip: noRedis }, async () => {
  const folder = tempFolder()
  const port = await freePort()
  const start = performance.now()
  const breaker = { firstProbeMs: 20, lastProbeMs: 50 }
  const store = await openStore(`redis://127.0.0.1:${port}`, { log: silentLogger, startWaitMs: 100, breaker })
  assert.ok(performance.now() - start < 2000)
  await assert.rejects(async () => store.claim(claimRequest(newId())), /ECONNREFUSED/)
  const server = await startRedis(folder, port)
  await until('it is used', () => answers(store))
  await claimed(store, claimRequest(newId()))
  await store.close()
  await server.kill()
})
