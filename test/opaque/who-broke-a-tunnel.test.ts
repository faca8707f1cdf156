import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { tunnelFailure } from '../../src/http/upgraded.ts'
import { joinTunnel, type TunnelOutcome } from '../../src/net/opaque.ts'
import { Wire } from '../../src/net/wire.ts'
import { chain } from '../support/proxy.ts'

/** A wire to a server of this test, and the server's end of it. */
async function dialled(t: TestContext): Promise<{ wire: Wire; far: Socket }> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const wire = Wire.dial({ host: '127.0.0.1', port: (server.address() as AddressInfo).port }, 65_536)
  const [far] = await accepted
  far.on('error', () => {})
  t.after(() => far.destroy())
  return { wire, far }
}

for (const [who, code] of [
  ['client', 'client_closed'],
  ['upstream', 'upstream_aborted'],
] as const) {
  test(`a tunnel that the ${who} resets is told as ${code}`, async (t) => {
    const [client, upstream] = [await dialled(t), await dialled(t)]
    const nothing = Buffer.alloc(0)
    const outcome = new Promise<TunnelOutcome>((done) => {
      joinTunnel(client.wire, nothing, upstream.wire, nothing, done)
    })
    const { far } = who === 'client' ? client : upstream
    far.resetAndDestroy()
    const failure = tunnelFailure(await outcome)
    assert.deepEqual([failure?.code, failure?.phase, failure?.errno], [code, 'tunnel', 'ECONNRESET'])
  })
}

test('a WebSocket that the upstream resets is a failure of the upstream', async (t) => {
  const { proxy, dial } = await chain(t, async (peer) => {
    await peer.head()
    peer.send('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n')
    peer.send('Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n')
    await new Promise((resolve) => setTimeout(resolve, 20))
    peer.reset()
  })
  const client = await dial()
  client.send('GET / HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n')
  client.send('Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n')
  assert.equal((await client.head()).status, 101)
  const [seen] = await proxy.finished(1)
  assert.equal(seen!.error?.code, 'upstream_aborted')
})
