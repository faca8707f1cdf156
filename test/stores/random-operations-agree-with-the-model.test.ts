import { test } from 'node:test'
import { FileStore } from '../../src/stores/file/file-store.ts'
import { MemoryStore } from '../../src/stores/memory.ts'
import { freePort } from '../support/free-port.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { agreesWithModel } from './agrees-with-the-reference-model.ts'
import { noRedis, startRedis } from './redis-server.ts'
import { openRedisStore } from './redis-store.ts'

const START_MS = 1_700_000_000_000
const MIB = 1024 * 1024

test('memory', async () => {
  let now = START_MS
  const store = new MemoryStore({ maxBytes: 64 * MIB, now: () => now })
  const pass = (ms: number): void => {
    now += ms
  }
  await agreesWithModel({ store, startMs: START_MS, pass }, 1000)
  await store.close()
})

test('file, with a sweep at work', async () => {
  const folder = tempFolder()
  let now = START_MS
  const store = await FileStore.open({ folder, sync: false, maxBytes: 64 * MIB, now: () => now })
  const pass = (ms: number): void => {
    now += ms
  }
  await agreesWithModel({ store, startMs: START_MS, pass, sweep: () => store.sweep(64) }, 250)
  await store.close()
})

test('redis, while no time passes', { skip: noRedis }, async () => {
  const folder = tempFolder()
  const server = await startRedis(folder, await freePort())
  const store = await openRedisStore(server.url)
  await agreesWithModel({ store, startMs: START_MS, pass: undefined }, 100)
  await store.close()
  await server.kill()
})
