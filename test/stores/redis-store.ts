/** Redis stores as tests open them. */
import { setTimeout as sleep } from 'node:timers/promises'
import { silentLogger } from '../../src/core/log.ts'
import { parseRedisUrl } from '../../src/core/redis-url.ts'
import { RedisStore, type RedisStoreOptions } from '../../src/stores/redis.ts'
import { newId } from './requests.ts'

/** Opens a store and waits until it answers. */
export async function openRedisStore(url: string, more: Partial<RedisStoreOptions> = {}): Promise<RedisStore> {
  const store = await RedisStore.open({
    target: parseRedisUrl(url),
    connectTimeoutMs: 2000,
    prefix: 'test:',
    waitReplicas: 0,
    waitMs: 500,
    log: silentLogger,
    ...more,
  })
  await answers(store)
  return store
}

/** Waits until the store answers. */
export async function answers(store: RedisStore, patienceMs = 10_000): Promise<void> {
  const until = performance.now() + patienceMs
  for (;;) {
    try {
      await store.read(newId())
      return
    } catch (error) {
      if (performance.now() > until) throw error
      await sleep(20)
    }
  }
}
