/** More rounds by TEST_CRASH_ROUNDS, a known history by TEST_CRASH_SEED. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { noRedis, type RedisServer, startRedis } from '../stores/redis-server.ts'
import { freePort } from '../support/free-port.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { Storm, seedOf } from './storm.ts'

const ROUNDS = Number(process.env.TEST_CRASH_ROUNDS ?? 3)
const options = { timeout: 60_000 + ROUNDS * 5000 }

test('a proxy with a file store is killed', options, (t) => killed(t, 1))

test('of three proxies that share a file one after the other is killed', options, (t) => killed(t, 3))

async function killed(t: TestContext, proxies: number): Promise<void> {
  const seed = seedOf()
  const path = tempFolder()
  const storm = await Storm.start(`file:${path}`, proxies, seed)
  t.after(async () => {
    await storm.close()
  })
  for (let round = 0; round < ROUNDS; round++) {
    await sleep(100 + storm.random() * 300)
    await storm.replace(round % proxies)
  }
  const ends = await storm.finish()
  t.diagnostic(`seed ${seed}, ${ROUNDS} rounds, keys: ${JSON.stringify(ends)}, seen: ${seenBy(storm)}`)
  assert.ok(ends.replayed > 0)
}

test('a redis-server is killed and comes back with what it had acknowledged', {
  ...options,
  skip: noRedis,
}, async (t) => {
  const seed = seedOf()
  const path = tempFolder()
  const port = await freePort()
  const durable = ['appendonly yes', 'appendfsync always']
  let redis: RedisServer = await startRedis(path, port, durable)
  const storm = await Storm.start(`redis://127.0.0.1:${port}`, 2, seed)
  t.after(async () => {
    await storm.close()
    await redis.kill()
  })
  for (let round = 0; round < ROUNDS; round++) {
    await sleep(storm.random() * 1500)
    await redis.kill()
    await sleep(storm.random() * 50)
    redis = await startRedis(path, port, durable)
  }
  const ends = await storm.finish()
  t.diagnostic(`seed ${seed}, ${ROUNDS} rounds, keys: ${JSON.stringify(ends)}, seen: ${seenBy(storm)}`)
  assert.ok(ends.replayed > 0)
})

const seenBy = (storm: Storm): string => JSON.stringify(Object.fromEntries(storm.seen))
