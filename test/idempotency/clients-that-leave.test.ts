import assert from 'node:assert/strict'
import { test } from 'node:test'
import { field, type Peer } from '../support/client.ts'
import { Origin } from '../support/origin.ts'
import { eventually, problem } from '../support/proxy.ts'
import { keyedChain, post } from './support.ts'

/** An origin that answers its first request when told, piece by piece. */
async function slowOrigin(): Promise<{ origin: Origin; peer: () => Peer | undefined }> {
  let served: Peer | undefined
  const origin = await Origin.start(async (peer) => {
    await peer.message()
    served = peer
  })
  return { origin, peer: () => served }
}

for (const reuse of ['after-first', 'client']) {
  test(`a client that leaves does not stop a request that was sent (upstream.reuse=${reuse})`, async (t) => {
    const { origin, peer } = await slowOrigin()
    const { ask, dial, proxy, store } = await keyedChain(t, origin, { flags: { 'upstream.reuse': reuse } })
    const client = await dial()
    client.send(post({ key: 'k' }))
    await eventually('the request at the origin', () => peer() !== undefined)
    client.reset()
    await eventually('a proxy without clients', () => proxy.plane.connections === 0)
    assert.equal(proxy.plane.active, 1)
    peer()!.send('HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\nma')
    await eventually('half an answer', () => proxy.plane.active === 1)
    peer()!.send('de')
    const [left] = await proxy.finished(1)
    assert.equal(left?.error?.code, 'client_closed')
    assert.equal(left?.status, 201)
    const again = await ask({ key: 'k' })
    assert.equal(again.status, 201)
    assert.equal(again.body, 'made')
    assert.equal(field(again, 'idempotent-replayed'), 'true')
    assert.deepEqual(store.counts(), { completed: 1 })
    assert.equal(origin.connections.length, 1)
  })
}

test('a client that leaves in the middle of its answer: the rest is read and kept', async (t) => {
  const { origin, peer } = await slowOrigin()
  const { ask, dial, proxy } = await keyedChain(t, origin)
  const client = await dial()
  client.send(post({ key: 'k' }))
  await eventually('the request at the origin', () => peer() !== undefined)
  const body = 'x'.repeat(900_000)
  peer()!.send(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`)
  await client.head()
  client.reset()
  peer()!.send(body)
  await proxy.finished(1)
  assert.equal((await ask({ key: 'k' })).body.length, body.length)
})

test('a reader that takes nothing does not stop it either', async (t) => {
  const { origin, peer } = await slowOrigin()
  const { ask, dial, proxy } = await keyedChain(t, origin, {
    flags: { 'timeouts.slowReaderMs': '300', 'idempotency.maxResponseBytes': '64000000' },
  })
  const client = await dial()
  client.socket.pause()
  client.send(post({ key: 'k' }))
  await eventually('the request at the origin', () => peer() !== undefined)
  const body = 'x'.repeat(20_000_000)
  peer()!.send(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
  const [slow] = await proxy.finished(1)
  assert.equal(slow?.error?.code, 'client_too_slow')
  assert.equal((await ask({ key: 'k' })).body.length, body.length)
})

test('a client that leaves in the middle of a large body: the outcome is unknown', async (t) => {
  const { origin, peer } = await slowOrigin()
  const { ask, dial, proxy, store } = await keyedChain(t, origin)
  const client = await dial()
  const text = post({ key: 'k', body: 'x'.repeat(200_000) })
  client.send(text.slice(0, 100_000))
  await eventually('bytes at the origin', () => (origin.connections[0]?.unread.length ?? 0) > 0)
  client.reset()
  await proxy.finished(1)
  assert.deepEqual(store.counts(), { unknown: 1 })
  assert.equal(problem((await ask({ key: 'k', body: 'x'.repeat(200_000) })).body).code, 'idempotency_outcome_unknown')
  assert.equal(peer(), undefined)
})

test('a client that leaves in the middle of a small body: nothing happened', async (t) => {
  const { origin } = await slowOrigin()
  const { dial, proxy, store } = await keyedChain(t, origin)
  const client = await dial()
  client.send(post({ key: 'k', body: 'x'.repeat(2000) }).slice(0, 1000))
  await eventually('an exchange', () => proxy.plane.active === 1)
  client.reset()
  await proxy.finished(1)
  assert.deepEqual(store.log, [])
  assert.equal(origin.connections.length, 0)
})

test('without a client it runs for so long and no longer', async (t) => {
  const { origin, peer } = await slowOrigin()
  const { dial, proxy, store } = await keyedChain(t, origin, { flags: { 'idempotency.detachedMs': '200' } })
  const client = await dial()
  client.send(post({ key: 'k' }))
  await eventually('the request at the origin', () => peer() !== undefined)
  client.reset()
  const [left] = await proxy.finished(1)
  assert.equal(left?.error?.code, 'exchange_timeout')
  assert.deepEqual(store.counts(), { unknown: 1 })
  await eventually('the end of the upstream connection', () => peer()!.ending !== 'open')
})

test('a drain waits for a request whose client has left', async (t) => {
  const { origin, peer } = await slowOrigin()
  const { dial, proxy, store } = await keyedChain(t, origin)
  const client = await dial()
  client.send(post({ key: 'k' }))
  await eventually('the request at the origin', () => peer() !== undefined)
  client.reset()
  await eventually('a proxy without clients', () => proxy.plane.connections === 0)
  const drained = proxy.plane.drain(5000)
  await new Promise((resolve) => setTimeout(resolve, 700))
  assert.equal(proxy.plane.active, 1)
  peer()!.send('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  await drained
  assert.deepEqual(store.counts(), { completed: 1 })
})

test('a request without a key still ends with its client', async (t) => {
  const { origin, peer } = await slowOrigin()
  const { dial, proxy } = await keyedChain(t, origin)
  const client = await dial()
  client.send(post({}))
  await eventually('the request at the origin', () => peer() !== undefined)
  client.reset()
  await proxy.finished(1)
  await eventually('the end of the upstream connection', () => peer()!.ending !== 'open')
})

test('what runs on when a drain is over has ended, and its key is known to be unknown', async (t) => {
  const { origin, peer } = await slowOrigin()
  const { dial, proxy, store } = await keyedChain(t, origin)
  for (const leaves of [true, false]) {
    const client = await dial()
    client.send(post({ key: `k${leaves}` }))
    await eventually('the request at the origin', () => origin.connections.length === (leaves ? 1 : 2))
    await eventually('all of it', () => peer() !== undefined && store.counts().dispatched === (leaves ? 1 : 2))
    if (leaves) client.reset()
  }
  await eventually('one client', () => proxy.plane.connections === 1)
  await proxy.plane.drain(100)
  assert.equal(proxy.plane.active, 0)
  assert.deepEqual(
    proxy.exchanges.map(({ error, idempotency }) => [error?.code, idempotency]),
    [
      ['draining', 'first'],
      ['draining', 'first'],
    ],
  )
  assert.deepEqual(store.counts(), { unknown: 2 })
})
