/** Names that lead to one address are verified each by itself, whatever stands already. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Peer } from '../support/client.ts'
import { problem, TestProxy } from '../support/proxy.ts'
import { Ca } from './certificates.ts'
import { secureHttp2Origin, secureOrigin } from './secure-origin.ts'

for (const [protocol, serve] of [
  ['h2', secureHttp2Origin],
  ['http1', secureOrigin],
] as const) {
  test(`${protocol}: a name that the certificate lacks is refused behind one that it has`, async (t) => {
    const ca = await Ca.make(t)
    const { port } = await serve(t, await ca.issue('server', ['a.example']))
    let serverName = 'a.example'
    const proxy = await TestProxy.start(`https://127.0.0.1:${port}`, {
      flags: { 'upstream.protocol': protocol, 'upstream.reuse': 'always', 'upstream.tls.ca': ca.cert },
      destinationOf: () => ({ host: '127.0.0.1', port, tls: true, serverName }),
    })
    t.after(() => proxy.close())
    const get = async (name: string): Promise<string> => {
      serverName = name
      const client = await Peer.connect(proxy.port)
      t.after(() => client.socket.destroy())
      client.send('GET / HTTP/1.1\r\nHost: here\r\n\r\n')
      const { status, body } = await client.message()
      return status === 200 ? 'served' : problem(body).code
    }
    assert.equal(await get('a.example'), 'served')
    assert.equal(await get('b.example'), 'tls_name_mismatch')
    assert.equal(await get('a.example'), 'served')
  })
}
