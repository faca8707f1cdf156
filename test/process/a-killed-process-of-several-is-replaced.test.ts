import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, get, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startInstance } from './instance.ts'

const children = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean).map(Number)

test('--concurrency 2: metrics add up, and a process that is killed is replaced', {
  skip: process.platform !== 'linux',
}, async (t) => {
  const origin = createServer((_request, response) => response.end('ok')).listen(0, '127.0.0.1')
  await once(origin, 'listening')
  const upstream = `http://127.0.0.1:${(origin.address() as AddressInfo).port}`
  const instance = await startInstance(upstream, ['--concurrency', '2'])
  t.after(async () => {
    await instance.stop('SIGTERM')
    origin.close()
    origin.closeAllConnections()
  })
  /** On a connection of its own, so that every call may meet another process. */
  const call = async (): Promise<number> => {
    const request = get(`http://127.0.0.1:${instance.port}/`, { agent: false })
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    response.resume()
    return response.statusCode ?? 0
  }
  for (let i = 0; i < 10; i++) assert.equal(await call(), 200)
  const metrics = await (await fetch(`http://127.0.0.1:${instance.metricsPort}/metrics`)).text()
  assert.match(metrics, /http_server_request_duration_seconds_count\{.*\} 10\n/)
  const exchanges = await (await fetch(`http://127.0.0.1:${instance.adminPort}/exchanges`)).json()
  assert.equal((exchanges as unknown[]).length, 10)

  const before = children(instance.child.pid!)
  assert.equal(before.length, 2)
  process.kill(before[0]!, 'SIGKILL')
  const deadline = Date.now() + 8000
  const replaced = (): boolean => {
    const now = children(instance.child.pid!)
    return now.length === 2 && !now.includes(before[0]!)
  }
  while (!replaced()) {
    assert.ok(Date.now() < deadline, 'no replacement came')
    assert.equal(await call(), 200)
    await sleep(50)
  }
  assert.equal(await call(), 200)
})
