import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { silentLogger } from '../../src/core/log.ts'
import type { IdempotencyStore } from '../../src/exchange/idempotency-store.ts'
import { openStore } from '../../src/stores/open.ts'
import { freePort } from '../support/free-port.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { noRedis, type RedisServer, startRedis } from './redis-server.ts'

const PROGRAM = fileURLToPath(new URL('working-process.js', import.meta.url))
const PROCESSES = 3
const IDS = 4000
const BETWEEN_MS = 120

/** Keeps some processes at work, and kills one after the other. */
class Workers {
  readonly #args: readonly string[]
  readonly #running: ChildProcess[] = []

  constructor(args: readonly string[]) {
    this.#args = args
  }

  /** Resolves when all are at work. */
  async start(count: number): Promise<void> {
    await Promise.all(Array.from({ length: count }, () => this.#startOne()))
  }

  async #startOne(): Promise<void> {
    const child = fork(PROGRAM, this.#args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.#running.push(child)
    await once(child, 'message')
  }

  async killOne(): Promise<void> {
    await end(this.#running.shift()!)
    await this.#startOne()
  }

  async killAll(): Promise<void> {
    await Promise.all(this.#running.map(end))
  }
}

async function end(process: ChildProcess): Promise<void> {
  const exited = once(process, 'exit')
  process.kill('SIGKILL')
  await exited
}

/** Of each id: how often it ran, and whose outcome was told as stored. */
function readLog(path: string): { ran: Map<string, number>; done: Map<string, string> } {
  const ran = new Map<string, number>()
  const done = new Map<string, string>()
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const [what, id = '', owner = ''] = line.split(' ')
    if (what === 'ran') ran.set(id, (ran.get(id) ?? 0) + 1)
    if (what === 'done') done.set(id, owner)
  }
  return { ran, done }
}

async function check(store: IdempotencyStore, log: string): Promise<void> {
  const { ran, done } = readLog(log)
  assert.ok(done.size > 100, `only ${done.size} ids were done`)
  const twice = [...ran].filter(([, times]) => times > 1)
  assert.deepEqual(twice, [], 'ids that ran twice')
  const ends = new Map<string, number>()
  for (let i = 0; i < IDS; i++) {
    const id = `id-${i}`
    const record = await store.read(id)
    const state = record?.state ?? 'free'
    ends.set(state, (ends.get(state) ?? 0) + 1)
    if (done.has(id)) {
      assert.equal(state, 'completed', `${id} was told as done`)
      assert.ok(record!.response!.body!.toString().startsWith(done.get(id)!), 'with the body of who ran it')
    }
    if (ran.has(id)) assert.ok(['completed', 'unknown'].includes(state), `${id} ran and is ${state}`)
    if (state === 'completed') assert.ok(ran.has(id), `${id} is completed and never ran`)
  }
}

async function waitForLeases(): Promise<void> {
  await sleep(500)
}

async function killAtWork(processes: number, kills: number): Promise<void> {
  const folder = tempFolder()
  const log = join(folder, 'log')
  writeFileSync(log, '')
  const url = `file:${join(folder, 'store')}`
  const workers = new Workers([url, log, String(IDS)])
  await workers.start(processes)
  for (let kill = 0; kill < kills; kill++) {
    await sleep(BETWEEN_MS * (0.5 + Math.random()))
    await workers.killOne()
  }
  await workers.killAll()
  await waitForLeases()
  const store = await openStore(url, { log: silentLogger })
  await check(store, log)
  await store.close()
}

test('file: several processes are killed at any moment, the one that writes among them', () =>
  killAtWork(PROCESSES, 10))

test('file: a process that has it for itself is killed at any moment', () => killAtWork(1, 6))

test('redis: it is killed and comes back with what it has appended', { skip: noRedis }, async () => {
  const folder = tempFolder()
  const log = join(folder, 'log')
  writeFileSync(log, '')
  const port = await freePort()
  const start = (): Promise<RedisServer> => startRedis(folder, port, ['appendonly yes', 'appendfsync always'])
  let server = await start()
  const workers = new Workers([server.url, log, String(IDS)])
  await workers.start(PROCESSES)
  for (let kill = 0; kill < 4; kill++) {
    await sleep(600 * (0.5 + Math.random()))
    await server.kill()
    server = await start()
    await workers.killOne()
  }
  await sleep(500)
  await workers.killAll()
  await waitForLeases()
  const store = await openStore(server.url, { log: silentLogger, startWaitMs: 5000 })
  await check(store, log)
  await store.close()
  await server.kill()
})
