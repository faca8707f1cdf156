import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Peer } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { chain } from '../support/proxy.ts'

const GET = 'GET / HTTP/1.1\r\nHost: here\r\n\r\n'
const POST = 'POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n'

/** Answers every request with the number of its connection. */
async function echoes(peer: Peer, index: number): Promise<void> {
  for (;;) {
    await peer.message()
    peer.send(ok(String(index)))
  }
}

/** Two clients, two requests each, one after the other; gives the connection that served each. */
async function served(t: TestContext, policy: string, request: string = GET): Promise<{ by: number[]; open: number }> {
  const origin = await Origin.start(echoes)
  const { dial } = await chain(t, origin, { flags: { 'upstream.reuse': policy } })
  const by: number[] = []
  for (let i = 0; i < 2; i++) {
    const client = await dial()
    for (let n = 0; n < 2; n++) {
      client.send(request)
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

test('after-first: a client whose first request can be sent again takes what is free', async (t) => {
  assert.deepEqual((await served(t, 'after-first')).by, [0, 0, 0, 0])
})

test('after-first: a first request that could not be sent again gets a fresh one', async (t) => {
  assert.deepEqual((await served(t, 'after-first', POST)).by, [0, 0, 1, 1])
})

test('after-first: clients that post once leave no connections behind', async (t) => {
  const origin = await Origin.start(echoes)
  const { dial } = await chain(t, origin)
  for (let i = 0; i < 20; i++) {
    const client = await dial()
    client.send(POST)
    assert.equal((await client.message()).body, String(i))
    client.finish()
    await client.ended()
  }
  for (const before of origin.connections.slice(0, -1)) await before.ended()
  assert.equal(origin.connections.at(-1)!.ending, 'open')
})

for (const [what, head] of [
  ['a GET with a body', 'GET / HTTP/1.1\r\nHost: here\r\nContent-Length: 1\r\n\r\nx'],
  ['a GET with a chunked body', 'GET / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['a PATCH', 'PATCH / HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n'],
] as const) {
  test(`after-first: ${what} gets a fresh one as the first of its client`, async (t) => {
    assert.deepEqual((await served(t, 'after-first', head)).by, [0, 0, 1, 1])
  })
}

test('after-first: a first request on a connection that dies under it is answered, once, by another', async (t) => {
  let seen = 0
  const origin = await Origin.start(async (peer, index) => {
    await peer.message()
    peer.send(ok(String(index)))
    if (index > 0) return
    await peer.message()
    seen++
    peer.reset()
  })
  const { dial } = await chain(t, origin)
  for (const expected of ['0', '1']) {
    const client = await dial()
    client.send(GET)
    assert.equal((await client.message()).body, expected)
    client.finish()
    await client.ended()
  }
  assert.equal(seen, 1)
})

test('always: anyone takes what is free', async (t) => {
  assert.deepEqual((await served(t, 'always')).by, [0, 0, 0, 0])
})
