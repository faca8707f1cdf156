import assert from 'node:assert/strict'
import { test } from 'node:test'
import { field, type Message, type Peer } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { chain, eventually, problem } from '../support/proxy.ts'

const GET = 'GET / HTTP/1.1\r\nHost: here\r\n\r\n'

test('maxConnections bounds connections, maxPending those who wait, the rest gets 503 at once', async (t) => {
  const held: Peer[] = []
  const flags = { 'upstream.maxConnections': '2', 'upstream.maxPending': '3' }
  const { origin, dial } = await chain(
    t,
    async (peer) => {
      for (;;) {
        await peer.message()
        held.push(peer)
      }
    },
    { flags },
  )
  const clients: Peer[] = []
  const answers: Promise<Message>[] = []
  for (let i = 0; i < 6; i++) {
    const client = await dial()
    client.send(GET)
    clients.push(client)
    if (i < 2) await eventually('a request at the origin', () => held.length === i + 1)
    answers.push(client.message())
  }
  const refused = await Promise.race(answers)
  assert.equal(refused.status, 503)
  assert.equal(problem(refused.body).code, 'overloaded')
  assert.equal(problem(refused.body).phase, 'queue')
  assert.equal(field(refused, 'retry-after'), '1')
  assert.equal(origin.connections.length, 2)
  let served = 0
  while (served < 5) {
    await eventually('another request at the origin', () => held.length > 0)
    held.shift()!.send(ok('x'))
    served++
  }
  const statuses = (await Promise.all(answers)).map(({ status }) => status)
  assert.deepEqual(statuses.sort(), [200, 200, 200, 200, 200, 503])
  assert.equal(origin.connections.length, 2)
})

test('at the limit, the first request of a client takes a free connection rather than wait', async (t) => {
  const { origin, dial } = await chain(t, await Origin.answering(() => ok('x')), {
    flags: { 'upstream.maxConnections': '1' },
  })
  const began = performance.now()
  for (let i = 0; i < 5; i++) {
    const client = await dial()
    client.send(GET)
    assert.equal((await client.message()).status, 200)
  }
  assert.equal(origin.connections.length, 1)
  assert.ok(performance.now() - began < 1000)
})

test('one that gives up waiting leaves its place', async (t) => {
  const { origin, proxy, dial } = await chain(
    t,
    async (peer) => {
      await peer.message()
    },
    { flags: { 'upstream.maxConnections': '1', 'upstream.maxPending': '1' } },
  )
  const first = await dial()
  first.send(GET)
  await origin.until('the first request', () => origin.connections.length === 1)
  for (let i = 0; i < 3; i++) {
    const waiting = await dial()
    waiting.send(GET)
    await eventually('a waiting exchange', () => proxy.plane.active === 2)
    waiting.reset()
    await eventually('its end', () => proxy.plane.active === 1)
  }
  assert.ok((await proxy.finished(3)).every(({ error }) => error?.code === 'client_closed' && error.phase === 'queue'))
})
