import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Origin, ok } from '../support/origin.ts'
import { chain } from '../support/proxy.ts'

const GET = 'GET / HTTP/1.1\r\nHost: here\r\n\r\n'

for (const [header, flags, leastMs, mostMs] of [
  ['Keep-Alive: timeout=2\r\n', {}, 900, 1500],
  ['Keep-Alive: timeout=1\r\n', {}, 0, 300],
  ['Keep-Alive: timeout=600\r\n', { 'upstream.idleMs': '500' }, 450, 1000],
  ['', { 'upstream.idleMs': '300' }, 250, 800],
] as const) {
  test(`${JSON.stringify(header)} with ${JSON.stringify(flags)}`, async (t) => {
    const { origin, dial } = await chain(t, await Origin.answering(() => ok('x', header)), { flags })
    const client = await dial()
    client.send(GET)
    await client.message()
    const began = performance.now()
    assert.equal(await origin.connections[0]!.ended(), 'fin')
    const tookMs = performance.now() - began
    assert.ok(tookMs >= leastMs && tookMs <= mostMs, `closed after ${tookMs} ms`)
    client.send(GET)
    assert.equal((await client.message()).status, 200)
    assert.equal(origin.connections.length, 2)
  })
}
