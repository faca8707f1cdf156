/** Connections that stood before an exchange wanted one, as a sidecar and a handshake that settles the protocol make them. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import type { ConnectionInfo } from '../../src/exchange/exchange.ts'
import { Wire } from '../../src/net/wire.ts'
import { Origin, ok } from '../support/origin.ts'
import { type Chain, chain } from '../support/proxy.ts'

/** A chain whose proxy was given a connection. */
async function ahead(t: TestContext, flags: Record<string, string> = {}): Promise<Chain> {
  const origin = await Origin.answering(({ body }) => ok(`got ${body}`))
  const all = await chain(t, origin, { flags: { 'upstream.reuse': 'always', ...flags } })
  const wire = Wire.dial({ host: '127.0.0.1', port: origin.port }, 65_536)
  await once(wire.socket, 'connect')
  await origin.until('the connection', () => origin.connections.length === 1)
  const destination = { host: '127.0.0.1', port: origin.port, tls: false }
  all.proxy.plane.upstream.adopt({} as ConnectionInfo, destination, wire, 'http1')
  return all
}

const POST = 'POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\n\r\nbody'

test('one that nobody uses is closed like any that is idle', async (t) => {
  const { origin } = await ahead(t, { 'upstream.idleMs': '100' })
  await origin.connections[0]!.ended()
})

test('a request of which nothing was sent as it died is sent by another', async (t) => {
  const { origin, dial, proxy } = await ahead(t)
  const client = await dial()
  // Accepted by now, and all in one process: the proxy reads the request first, and the FIN in the same turn.
  await new Promise((resolve) => setTimeout(resolve, 20))
  client.send(POST)
  origin.connections[0]!.finish()
  assert.equal((await client.message()).body, 'got body')
  assert.equal(origin.connections.length, 2)
  assert.equal((await proxy.finished(1))[0]!.error, undefined)
})
