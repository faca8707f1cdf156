import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort, noRedis, redisCli, replicaLinked, startRedis, startSentinel } from './redis-server.ts'
import { openRedisStore } from './redis-store.ts'
import { claimed, claimRequest, newId, response } from './requests.ts'
import { tempFolder } from './temp-folder.ts'

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 15_000
  while (!holds()) {
    assert.ok(performance.now() < deadline, what)
    await sleep(50)
  }
}

test('by sentinel: what a replica had is there after the master died, and claims go on', {
  skip: noRedis,
}, async () => {
  const folder = tempFolder()
  const master = await startRedis(folder.path, await freePort())
  const replica = await startRedis(folder.path, await freePort(), [`replicaof 127.0.0.1 ${master.port}`])
  await replicaLinked(replica.port)
  const sentinel = await startSentinel(folder.path, await freePort(), master.port)
  const store = await openRedisStore(`redis-sentinel://127.0.0.1:${sentinel.port}/main`, { waitReplicas: 1 })
  const done = await claimed(store, claimRequest(newId()))
  await store.dispatch(done, '', 60_000)
  await store.complete(done, '', response())
  await until('the sentinel knows the replica', () => {
    return redisCli(sentinel.port, 'sentinel', 'replicas', 'main').includes('role-reported\nslave')
  })
  await master.kill()
  await assert.rejects(async () => store.claim(claimRequest(newId())))
  const until = performance.now() + 20_000
  for (;;) {
    try {
      assert.equal((await store.read(done.id))?.state, 'completed')
      break
    } catch (error) {
      if (performance.now() > until || !(error instanceof Error) || error.name !== 'StoreError') throw error
      await sleep(50)
    }
  }
  // The only server that is left has no replica: a write that must be on one is refused, and told why.
  const refused = newId()
  await assert.rejects(async () => store.claim(claimRequest(refused)), /0 of 1 replicas/)
  assert.equal(await store.read(refused), undefined, 'and is taken back')
  await store.close()
  for (const server of [sentinel, replica]) await server.kill()
  folder.remove()
})
