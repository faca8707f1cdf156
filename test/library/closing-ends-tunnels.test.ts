import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { createProxy } from '../../src/app/library.ts'
import { eventually } from '../support/proxy.ts'
import { clientHello, records } from '../tls/hellos.ts'

test('a tunnel that is open when the proxy closes goes with it, and so does what has said nothing', async (t) => {
  const reached: Socket[] = []
  const origin = createServer((socket) => reached.push(socket.on('error', () => {}).resume())).listen(0, '127.0.0.1')
  await once(origin, 'listening')
  t.after(() => origin.close())
  const proxy = await createProxy({
    upstream: `https://127.0.0.1:${(origin.address() as AddressInfo).port}`,
    listen: { port: 0 },
    settings: { 'tls.passthrough': '*' },
  })
  const clients = [connect(proxy.port, '127.0.0.1'), connect(proxy.port, '127.0.0.1')]
  for (const client of clients) client.on('error', () => {}).resume()
  clients[0]!.write(records(clientHello()))
  await eventually('the tunnel', () => reached.length === 1)
  await proxy.close(300)
  await eventually('the end of all', () => [...clients, ...reached].every((socket) => socket.closed))
  assert.equal(reached.length, 1)
})
