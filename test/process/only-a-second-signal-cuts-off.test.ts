/** A process that was told to end drains, whoever tells it again; the operator's second signal alone ends it at once. */
import assert from 'node:assert/strict'
import { after, before, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Origin, ok } from '../support/origin.ts'
import { eventually } from '../support/proxy.ts'
import { childrenOf, type Instance, startInstance } from './instance.ts'

const SLOW_MS = 800
let origin: Origin
let arrived = 0

before(async () => {
  origin = await Origin.start(async (peer) => {
    await peer.message()
    arrived++
    await sleep(SLOW_MS)
    peer.send(ok('x'))
  })
})
after(() => origin.close())

/** A proxy with a request under way: its status, 0 where it was cut off. */
async function busy(t: TestContext, concurrency: string): Promise<{ instance: Instance; status: Promise<number> }> {
  const instance = await startInstance(`http://127.0.0.1:${origin.port}`, ['--concurrency', concurrency])
  t.after(() => instance.stop('SIGKILL'))
  arrived = 0
  const status = fetch(`http://127.0.0.1:${instance.port}/`).then(
    ({ status }) => status,
    () => 0,
  )
  await eventually('request at the origin', () => arrived === 1)
  return { instance, status }
}

for (const concurrency of ['1', '2']) {
  test(`/quit twice and then a SIGTERM: one drain, --concurrency ${concurrency}`, async (t) => {
    const { instance, status } = await busy(t, concurrency)
    const quit = (): Promise<Response> => fetch(`http://127.0.0.1:${instance.adminPort}/quit`, { method: 'POST' })
    assert.equal((await quit()).status, 202)
    assert.equal((await quit()).status, 202)
    assert.equal(await instance.stop('SIGTERM'), 0)
    assert.equal(await status, 200)
  })

  test(`a second SIGTERM ends it at once, --concurrency ${concurrency}`, async (t) => {
    const { instance, status } = await busy(t, concurrency)
    instance.child.kill('SIGTERM')
    await eventually('drain', () => instance.lines.some((line) => line.includes('"msg":"draining"')))
    assert.equal(await instance.stop('SIGTERM'), 1)
    assert.equal(await status, 0)
  })
}

test('a SIGTERM to the process group is one SIGTERM', { skip: process.platform !== 'linux' }, async (t) => {
  const { instance, status } = await busy(t, '2')
  for (const pid of childrenOf(instance.child)) process.kill(pid, 'SIGTERM')
  // Two that come together may be one to who gets them.
  await eventually('drain', () => instance.lines.filter((line) => line.includes('"msg":"draining"')).length === 2)
  assert.equal(await instance.stop('SIGTERM'), 0)
  assert.equal(await status, 200)
})
