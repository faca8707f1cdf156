import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { serverTiming } from '../../src/stages/server-timing.ts'
import { field, Peer } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { type ProxyOptions, TestProxy } from '../support/proxy.ts'

/** Milliseconds by name, of one response after another on one connection. */
async function timings(
  t: TestContext,
  url: string,
  requests: readonly string[],
  flags: ProxyOptions['flags'] = {},
): Promise<Record<string, number>[]> {
  const proxy = await TestProxy.start(url, { flags, stages: [serverTiming()] })
  const client = await Peer.connect(proxy.port)
  t.after(async () => {
    client.socket.destroy()
    await proxy.close()
  })
  const found = []
  for (const path of requests) {
    client.send(`GET ${path} HTTP/1.1\r\nHost: here\r\n\r\n`)
    const parts = field(await client.message(), 'server-timing')!.split(', ')
    found.push(Object.fromEntries(parts.map((part) => part.split(';dur=')).map(([name, ms]) => [name, Number(ms)])))
  }
  return found
}

test('the phase that failed is there, with what it took', async (t) => {
  const origin = await Origin.start(async (peer) => {
    await peer.message()
  })
  t.after(() => origin.close())
  const [late] = await timings(t, `http://127.0.0.1:${origin.port}`, ['/'], { 'timeouts.firstByteMs': '200' })
  assert.ok(late!['hopscope-wait']! >= 195, JSON.stringify(late))
})

test('a connection that was refused took its time in connect', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => taken.once('listening', resolve))
  const { port } = taken.address() as { port: number }
  await new Promise((resolve) => taken.close(resolve))
  const [refused] = await timings(t, `http://127.0.0.1:${port}`, ['/'])
  assert.ok(refused!['hopscope-connect']! >= 0 && !('hopscope-wait' in refused!), JSON.stringify(refused))
})

test('what an attempt before the last one took is told as retry', async (t) => {
  const origin = await Origin.start(async (peer, number) => {
    await peer.message()
    peer.send(ok('first'))
    await peer.message()
    if (number === 0) {
      await sleep(150)
      peer.socket.destroy()
    } else peer.send(ok('second'))
  })
  t.after(() => origin.close())
  const [first, second] = await timings(t, `http://127.0.0.1:${origin.port}`, ['/1', '/2'])
  assert.ok(!('hopscope-retry' in first!))
  assert.ok(second!['hopscope-retry']! >= 145, JSON.stringify(second))
})
