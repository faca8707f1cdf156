import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Origin, ok } from '../support/origin.ts'
import { chain } from '../support/proxy.ts'

const GET = 'GET / HTTP/1.1\r\nHost: here\r\n\r\n'

/** Two clients, two requests each, one after the other; gives the connection that served each. */
async function served(t: import('node:test').TestContext, policy: string): Promise<{ by: number[]; open: number }> {
  const origin = await Origin.start(async (peer, index) => {
    for (;;) {
      await peer.message()
      peer.send(ok(String(index)))
    }
  })
  const { dial } = await chain(t, origin, { flags: { 'upstream.reuse': policy } })
  const by: number[] = []
  for (let i = 0; i < 2; i++) {
    const client = await dial()
    for (let n = 0; n < 2; n++) {
      client.send(GET)
      by.push(Number((await client.message()).body))
    }
    client.finish()
    await client.ended()
  }
  if (policy === 'client') await origin.connections.at(-1)!.ended()
  return { by, open: origin.connections.filter(({ ending }) => ending === 'open').length }
}

test('client: a connection belongs to its client and goes with it', async (t) => {
  assert.deepEqual(await served(t, 'client'), { by: [0, 0, 1, 1], open: 0 })
})

test('after-first: the first request of a client gets a fresh one', async (t) => {
  const { by } = await served(t, 'after-first')
  assert.deepEqual([by[0], by[1], by[2]], [0, 0, 1])
})

test('always: anyone takes what is free', async (t) => {
  assert.deepEqual((await served(t, 'always')).by, [0, 0, 0, 0])
})
