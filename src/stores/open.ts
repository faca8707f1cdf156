/** Opens the store that a URL names, ready to be used by the data path. Libraries are loaded only for the store in use. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../core/log.ts'
import { parseStoreUrl, type StoreTarget } from '../core/store-url.ts'
import type { IdempotencyStore } from '../exchange/idempotency-store.ts'
import { Breaker, type BreakerOptions, DEFAULT_BREAKER } from './breaker.ts'
import { LateStore } from './late-store.ts'
import type { RedisTls } from './redis-client.ts'

export interface OpenStoreOptions {
  readonly log: Logger
  /** What a store may cost a request, and when it is not asked any more; {@link DEFAULT_BREAKER}. */
  readonly breaker?: Partial<Omit<BreakerOptions, 'log'>>
  /** How long the start waits for a store on the network; for a file it waits longer. */
  readonly startWaitMs?: number
  /** Certificates for rediss://. */
  readonly tls?: RedisTls
}

const START_WAIT_MS = 1000
const START_LOOK_MS = 20
/** A file is open in some milliseconds, but where one that was torn is being saved. */
const FILE_WAIT_MS = 2000

/**
 * Throws a TypeError for a URL that is none. A store that is not there is no reason to throw: its operations are
 * rejected until it is. One in memory has nothing to break, and is returned as it is.
 */
export async function openStore(url: string, options: OpenStoreOptions): Promise<IdempotencyStore> {
  const target = parseStoreUrl(url)
  if (target.kind === 'memory') {
    const { MemoryStore } = await import('./memory.ts')
    return new MemoryStore({ maxBytes: target.maxBytes })
  }
  const store = new LateStore(target.kind, () => openTarget(target, options), options.log)
  await Promise.race([store.start(), sleep(FILE_WAIT_MS, undefined, { ref: false })])
  if (target.kind === 'redis') await answers(store, options.startWaitMs ?? START_WAIT_MS)
  return new Breaker(store, { ...DEFAULT_BREAKER, ...options.breaker, log: options.log })
}

async function openTarget(
  target: Exclude<StoreTarget, { kind: 'memory' }>,
  { log, tls }: OpenStoreOptions,
): Promise<IdempotencyStore> {
  if (target.kind === 'file') {
    const { SharedFileStore } = await import('./file/shared-file-store.ts')
    return SharedFileStore.open({ ...target, log })
  }
  const { RedisStore } = await import('./redis.ts')
  return RedisStore.open({ ...target, tls, log })
}

/** Resolves when the store answers, or in time. */
async function answers(store: IdempotencyStore, patienceMs: number): Promise<void> {
  const until = performance.now() + patienceMs
  while (performance.now() < until) {
    const answered = Promise.resolve(store.read('start')).then(
      () => true,
      () => false,
    )
    const inTime = await Promise.race([answered, sleep(until - performance.now(), false)])
    if (inTime) return
    await sleep(START_LOOK_MS)
  }
}
