import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { IdempotencyRecord } from '../../src/exchange/idempotency-store.ts'
import type { RedisStore } from '../../src/stores/redis.ts'
import { freePort, noRedis, redisCli, replicaLinked, startRedis, startSentinel } from './redis-server.ts'
import { openRedisStore } from './redis-store.ts'
import { claimed, claimRequest, newId, response } from './requests.ts'
import { tempFolder } from './temp-folder.ts'

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000
  while (!(await holds())) {
    assert.ok(performance.now() < deadline, what)
    await sleep(50)
  }
}

/** The id of a record that the replica has as well. */
async function completed(store: RedisStore): Promise<string> {
  const claim = await claimed(store, claimRequest(newId()))
  await store.dispatch(claim, '', 60_000)
  await store.complete(claim, '', response())
  return claim.id
}

/** Whether the store answers; then the record is there. */
async function states(store: RedisStore, id: string): Promise<boolean> {
  let record: IdempotencyRecord | undefined
  try {
    record = await store.read(id)
  } catch {
    return false
  }
  assert.equal(record?.state, 'completed')
  return true
}

/** The id of a claim that was refused because no replica has it; undefined where it failed in another way. */
async function refusedByReplicas(store: RedisStore): Promise<string | undefined> {
  // One of its own each time: a claim whose connection the failover cut may stand until its lease ends.
  const id = newId()
  try {
    await store.claim(claimRequest(id))
  } catch (error) {
    return /0 of 1 replicas/.test(String(error)) ? id : undefined
  }
  assert.fail('no replica is left to take a claim')
}

test('by sentinel: what a replica had is there after the master died', { skip: noRedis }, async (t) => {
  const folder = tempFolder()
  const master = await startRedis(folder.path, await freePort())
  const replica = await startRedis(folder.path, await freePort(), [`replicaof 127.0.0.1 ${master.port}`])
  await replicaLinked(replica.port)
  const sentinel = await startSentinel(folder.path, await freePort(), master.port)
  const store = await openRedisStore(`redis-sentinel://127.0.0.1:${sentinel.port}/main`, { waitReplicas: 1 })
  t.after(async () => {
    await store.close()
    for (const server of [sentinel, replica]) await server.kill()
    folder.remove()
  })
  let done = ''
  await until('a record is on both servers', async () => {
    done = await completed(store).catch(() => '')
    return done !== ''
  })
  await until('the sentinel knows the replica', () => {
    return redisCli(sentinel.port, 'sentinel', 'replicas', 'main').includes('role-reported\nslave')
  })
  await master.kill()
  await assert.rejects(async () => store.claim(claimRequest(newId())))
  await until('the record is there', () => states(store, done))
  // The only server that is left has no replica: a write that must be on one is refused, and taken back.
  let refused: string | undefined
  await until('claims reach the new master', async () => {
    refused = await refusedByReplicas(store)
    return refused !== undefined
  })
  await until('it is taken back', async () => (await store.read(refused!)) === undefined)
})
