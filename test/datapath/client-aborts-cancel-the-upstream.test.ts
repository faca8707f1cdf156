import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { chain, eventually } from '../support/proxy.ts'

const GET = 'GET / HTTP/1.1\r\nHost: here\r\n\r\n'

test('while the upstream has not answered', async (t) => {
  const { origin, proxy, dial } = await chain(t, async (peer) => {
    await peer.head()
  })
  const client = await dial()
  client.send(GET)
  await origin.until('a connection', () => origin.connections.length === 1)
  client.reset()
  await origin.connections[0]!.ended()
  const [seen] = await proxy.finished(1)
  assert.equal(seen?.error?.code, 'client_closed')
  assert.equal(seen?.error?.errno, 'ECONNRESET')
  const { reused, ageUs, bytesSent } = seen!.error!.connection!
  assert.ok(!reused && ageUs > 0 && bytesSent > GET.length, 'what the upstream had by then')
  assert.equal(proxy.plane.active, 0)
})

test('in the middle of the response', async (t) => {
  const { origin, proxy, dial } = await chain(t, async (peer) => {
    await peer.message()
    peer.send('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf')
  })
  const client = await dial()
  client.send(GET)
  await client.takeThrough('half')
  client.reset()
  await origin.connections[0]!.ended()
  const [seen] = await proxy.finished(1)
  assert.equal(seen?.error?.code, 'client_closed')
  assert.equal(seen?.error?.phase, 'receive')
})

for (const [what, request] of [
  [
    'an upload that the upstream does not take',
    `POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 32000000\r\n\r\n${'x'.repeat(24_000_000)}`,
  ],
  ['more requests than are held', GET.repeat(12_000)],
] as const) {
  test(`while the client is not read: ${what}`, async (t) => {
    const { proxy, dial } = await chain(
      t,
      async (peer) => {
        await peer.head()
        peer.socket.pause()
      },
      { flags: { 'timeouts.bodyIdleMs': '200' } },
    )
    const client = await dial()
    client.send(request)
    await eventually('the exchange', () => proxy.plane.active === 1)
    await sleep(400)
    client.reset()
    const [seen] = await proxy.finished(1)
    assert.equal(seen?.error?.code, 'client_closed')
    assert.equal(proxy.plane.active, 0)
  })
}
