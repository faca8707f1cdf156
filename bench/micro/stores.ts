/**
 * What the stores of the idempotency feature cost: `node build/bench/micro/stores.js [URL…]`. One request at a time, as the
 * stage asks: claim, dispatch, complete; then the claim of a repeat. Without URLs: memory, file, file with sync and, where
 * redis-server is installed, one on loopback. CPU is that of this whole process.
 */
import { randomBytes } from 'node:crypto'
import { silentLogger } from '../../src/core/log.ts'
import type { ClaimRequest, IdempotencyStore, StoredResponse } from '../../src/exchange/idempotency-store.ts'
import { openStore } from '../../src/stores/open.ts'
import { noRedis, startRedis } from '../../test/stores/redis-server.ts'
import { freePort } from '../../test/support/free-port.ts'
import { tempFolder } from '../../test/support/temp-folder.ts'
import { printTable } from '../print/table.ts'

const WARM_UP = 2000
const ROUNDS = 5000
/** With a sync each round waits for the disk three times. */
const SYNCED_ROUNDS = 500

const RESPONSE: StoredResponse = {
  status: 201,
  headers:
    'content-type: application/json\r\ndate: Sat, 21 Nov 2026 12:00:00 GMT\r\nlocation: /orders/4711\r\ncache-control: no-store\r\n',
  body: Buffer.from(JSON.stringify({ id: 4711, state: 'charged', note: 'x'.repeat(200) })),
  bodyBytes: 241,
  trailers: '',
  completedMs: 1_790_000_000_000,
}

function request(id: string): ClaimRequest {
  return {
    id,
    owner: id,
    fingerprint: id,
    requestId: '8f14e45f-ceea-467f-a8f2-0c1b2d3e4f50',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    leaseMs: 10_000,
    ttlMs: 86_400_000,
    graceMs: 86_400_000,
    overUnknown: false,
  }
}

interface Timed {
  readonly ms: number[]
  cpuUs: number
}

async function first(store: IdempotencyStore, id: string): Promise<void> {
  const answer = store.claim(request(id))
  const result = answer instanceof Promise ? await answer : answer
  if (result.kind !== 'claimed') throw new Error('not free')
  const sent = store.dispatch(result.claim, '', 10_000)
  if (!(sent instanceof Promise ? await sent : sent)) throw new Error('lost')
  const stored = store.complete(result.claim, id, RESPONSE)
  if (!(stored instanceof Promise ? await stored : stored)) throw new Error('lost')
}

async function repeat(store: IdempotencyStore, id: string): Promise<void> {
  const answer = store.claim(request(id))
  const result = answer instanceof Promise ? await answer : answer
  if (result.kind !== 'exists') throw new Error('free')
}

async function time(ids: readonly string[], run: (id: string) => Promise<void>): Promise<Timed> {
  const ms: number[] = []
  const before = process.cpuUsage()
  for (const id of ids) {
    const start = performance.now()
    await run(id)
    ms.push(performance.now() - start)
  }
  const { user, system } = process.cpuUsage(before)
  ms.sort((a, b) => a - b)
  return { ms, cpuUs: (user + system) / ids.length }
}

const newIds = (count: number): string[] => Array.from({ length: count }, () => randomBytes(32).toString('base64url'))

async function measure(name: string, url: string): Promise<string[]> {
  // The budget of the data path would end what a loaded machine makes slow.
  const store = await openStore(url, { log: silentLogger, breaker: { budgetMs: 10_000 } })
  const rounds = url.includes('sync=true') ? SYNCED_ROUNDS : ROUNDS
  for (const id of newIds(Math.min(WARM_UP, rounds))) await first(store, id)
  const ids = newIds(rounds)
  const firsts = await time(ids, (id) => first(store, id))
  const repeats = await time(ids, (id) => repeat(store, id))
  await store.close()
  return [name, ...cells(firsts), ...cells(repeats)]
}

function cells({ ms, cpuUs }: Timed): string[] {
  const at = (share: number): string => ((ms[Math.floor(ms.length * share)] ?? 0) * 1000).toFixed(1)
  return [at(0.5), at(0.99), cpuUs.toFixed(1)]
}

const folder = tempFolder()
const redis = noRedis === false ? await startRedis(folder, await freePort()) : undefined
try {
  const given = process.argv.slice(2).map((url): [string, string] => [url, url])
  const own: [string, string][] = [
    ['memory', 'memory'],
    ['file', `file:${folder}/file`],
    ['file, synced', `file:${folder}/synced?sync=true`],
    ...(redis === undefined ? [] : [['redis', redis.url] as [string, string]]),
  ]
  const rows: string[][] = []
  for (const [name, url] of given.length > 0 ? given : own) rows.push(await measure(name, url))
  printTable(['store', 'first, us p50', 'p99', 'CPU us', 'repeat, us p50', 'p99', 'CPU us'], rows)
} finally {
  await redis?.kill()
}
