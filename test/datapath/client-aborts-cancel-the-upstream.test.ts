import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chain } from '../support/proxy.ts'

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
