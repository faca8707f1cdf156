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

test('at the limit, a request that is sent again gets a fresh connection, not one that is free', async (t) => {
  // Each connection serves one request and hangs up upon a second.
  const held: Peer[] = []
  const { origin, proxy, dial } = await chain(
    t,
    async (peer, index) => {
      await peer.message()
      if (index < 2) held.push(peer)
      else peer.send(ok('fresh'))
      await peer.message()
      peer.finish()
    },
    { flags: { 'upstream.maxConnections': '2', 'upstream.reuse': 'always' } },
  )
  const [first, second] = [await dial(), await dial()]
  first.send(GET)
  second.send(GET)
  await eventually('both at the origin', () => held.length === 2)
  for (const peer of held) peer.send(ok('used'))
  await Promise.all([first.message(), second.message()])
  first.send(GET)
  assert.equal((await first.message()).body, 'fresh')
  assert.equal((await proxy.finished(3))[2]!.attempts, 2)
  assert.equal(origin.connections.length, 3)
})

test('at the limit, a POST that waited is not lost on a connection that ends behind its response', async (t) => {
  const { proxy, dial } = await chain(
    t,
    async (peer) => {
      await peer.message()
      // Long enough for the others to wait.
      await new Promise((resolve) => setTimeout(resolve, 30))
      peer.send(ok('x'))
      peer.finish()
    },
    { flags: { 'upstream.maxConnections': '1' } },
  )
  const clients = await Promise.all([1, 2, 3, 4].map(() => dial()))
  for (const client of clients) client.send('POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n\r\nhi')
  const statuses = (await Promise.all(clients.map((client) => client.message()))).map(({ status }) => status)
  assert.deepEqual(statuses, [200, 200, 200, 200])
  assert.ok((await proxy.finished(4)).every(({ error }) => error === undefined))
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

test('kept for other clients: the connection that is idle longest makes room', async (t) => {
  const flags = { 'upstream.maxConnections': '2', 'upstream.reuse': 'client' }
  const { origin, proxy, dial } = await chain(t, await Origin.answering(() => ok('x')), { flags })
  const clients = [await dial(), await dial(), await dial()]
  const began = performance.now()
  for (const client of clients) {
    client.send(GET)
    assert.equal((await client.message()).status, 200)
  }
  assert.ok(performance.now() - began < 1000, 'nobody waited for an idle timeout')
  await origin.connections[0]!.ended()
  assert.deepEqual(
    origin.connections.map(({ ending }) => ending === 'open'),
    [false, true, true],
  )
  clients[1]!.send(GET)
  await clients[1]!.message()
  assert.equal((await proxy.finished(4))[3]!.reused, true, 'the second client has its own still')
  clients[0]!.send(GET)
  await clients[0]!.message()
  assert.equal((await proxy.finished(5))[4]!.reused, false)
  assert.equal(proxy.plane.upstream.connections, 2)
})

test('kept for other clients: who waits gets the place of one that becomes idle', async (t) => {
  const flags = { 'upstream.maxConnections': '1', 'upstream.reuse': 'client' }
  const { origin, proxy, dial } = await chain(
    t,
    async (peer, index) => {
      await peer.message()
      if (index === 0) await origin.until('a client that waits', () => waiting)
      peer.send(ok(String(index)))
    },
    { flags },
  )
  let waiting = false
  const [first, second] = [await dial(), await dial()]
  first.send(GET)
  await origin.until('the first request', () => origin.connections.length === 1)
  second.send(GET)
  await eventually('a second exchange', () => proxy.plane.active === 2)
  waiting = true
  origin.changed()
  assert.equal((await first.message()).body, '0')
  assert.equal((await second.message()).body, '1')
})
