import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type Instance, startInstance } from '../process/instance.ts'
import { noRedis, startRedis } from '../stores/redis-server.ts'
import { field, type Message, Peer } from '../support/client.ts'
import { freePort } from '../support/free-port.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { CountingOrigin } from './counting-origin.ts'
import { post } from './support.ts'

const CLIENTS = 1000

/** Patience for a busy machine; what is looked at is who runs, not how fast. */
const PATIENT = ['--idempotency-wait-ms', '30000', '--idempotency-store-budget-ms', '30000', '--log-level', 'info']

async function race(t: TestContext, store: string, processes: number, more: string[] = []): Promise<Instance[]> {
  const origin = await CountingOrigin.start(() => 100)
  const proxies: Instance[] = []
  t.after(async () => {
    await Promise.all(proxies.map((proxy) => proxy.stop('SIGKILL')))
    origin.close()
  })
  const settings = ['--idempotency-store', store, ...PATIENT, ...more]
  for (let i = 0; i < processes; i++) {
    proxies.push(await startInstance(origin.url, settings))
  }
  const key = 'k'
  const clients = await Promise.all(
    Array.from({ length: CLIENTS }, (_, i) => Peer.connect(proxies[i % processes]!.port)),
  )
  for (const client of clients) client.send(post({ key }))
  const answers = await Promise.all(clients.map((client) => client.message()))
  for (const { socket } of clients) socket.destroy()
  assert.deepEqual(
    answers.filter(({ status }) => status !== 200),
    [],
  )
  assert.equal(origin.runs.get(key), 1)
  assert.equal(new Set(answers.map(({ body }) => body)).size, 1)
  assert.equal(new Set(answers.map((answer) => field(answer, 'x-run'))).size, 1)
  assert.equal(answers.filter(isReplay).length, CLIENTS - 1)
  assert.equal(origin.total, 1)
  return proxies
}

const isReplay = (answer: Message): boolean => field(answer, 'idempotent-replayed') === 'true'

test('in the memory of one process', async (t) => {
  await race(t, 'memory', 1)
})

test('over two processes with a file', async (t) => {
  const path = tempFolder()
  await race(t, `file:${path}`, 2)
})

test('over two processes of one proxy with a file', async (t) => {
  const path = tempFolder()
  const [proxy] = await race(t, `file:${path}`, 1, ['--concurrency', '2'])
  const told = await (await fetch(`http://127.0.0.1:${proxy!.adminPort}/idempotency`)).text()
  const { processes } = JSON.parse(told) as { processes: { outcomes: Record<string, number> }[] }
  const served = processes.map(({ outcomes }) => Object.values(outcomes).reduce((sum, count) => sum + count, 0))
  assert.equal(served.length, 2)
  assert.ok(Math.min(...served) > 0, `requests of each: ${served.join(', ')}`)
})

test('over two processes with a redis-server', { skip: noRedis }, async (t) => {
  const path = tempFolder()
  const port = await freePort()
  const redis = await startRedis(path, port)
  t.after(() => redis.kill())
  await race(t, `redis://127.0.0.1:${port}`, 2)
})
