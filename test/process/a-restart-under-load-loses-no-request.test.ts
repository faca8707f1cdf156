import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Pool } from 'undici'
import { type Instance, startInstance } from './instance.ts'

const CLIENTS = 16

/** One of the two instances as a load balancer sees it: taken out while it is not ready. */
class Member {
  instance: Instance
  pool: Pool
  ready = true

  constructor(instance: Instance) {
    this.instance = instance
    this.pool = new Pool(`http://127.0.0.1:${instance.port}`, { connections: CLIENTS })
  }

  async look(): Promise<void> {
    const answer = await fetch(`http://127.0.0.1:${this.instance.adminPort}/ready`).catch(() => undefined)
    this.ready = answer?.status === 200
  }
}

test('restarting two instances one after the other under load loses and doubles no request', async (t) => {
  const seen = new Map<string, number>()
  const origin = createServer((request, response) => {
    const id = request.headers['x-test-id'] as string
    seen.set(id, (seen.get(id) ?? 0) + 1)
    request.resume().on('end', () => setTimeout(() => response.end(id), 3))
  }).listen(0, '127.0.0.1')
  await once(origin, 'listening')
  const upstream = `http://127.0.0.1:${(origin.address() as AddressInfo).port}`
  const members = [new Member(await startInstance(upstream)), new Member(await startInstance(upstream))]
  let running = true
  t.after(async () => {
    running = false
    for (const member of members) {
      await member.pool.destroy()
      await member.instance.stop('SIGKILL')
    }
    origin.close()
    origin.closeAllConnections()
  })

  const failures: string[] = []
  let sent = 0
  const client = async (): Promise<void> => {
    while (running) {
      const ready = members.filter((member) => member.ready)
      const member = ready[sent % ready.length]!
      const id = `r${sent++}`
      try {
        const { statusCode, body } = await member.pool.request({
          path: '/',
          method: 'POST',
          headers: { 'x-test-id': id },
          body: 'x'.repeat(100),
        })
        const text = await body.text()
        if (statusCode !== 200 || text !== id) failures.push(`${id}: ${statusCode} ${text}`)
      } catch (error) {
        failures.push(`${id}: ${error}`)
      }
    }
  }
  const watch = async (): Promise<void> => {
    while (running) {
      await Promise.all(members.map((member) => member.look()))
      await sleep(20)
    }
  }
  const all = [watch(), ...Array.from({ length: CLIENTS }, client)]
  for (const member of members) {
    const { port, adminPort } = member.instance
    assert.equal(await member.instance.stop('SIGTERM'), 0)
    member.instance = await startInstance(upstream, [], { port, adminPort })
    while (!member.ready) await sleep(10)
  }
  running = false
  await Promise.all(all)
  assert.deepEqual(failures, [])
  assert.ok(sent > 500, `only ${sent} requests were sent`)
  const doubled = [...seen].filter(([, count]) => count !== 1)
  assert.deepEqual(doubled, [])
  assert.equal(seen.size, sent)
})
