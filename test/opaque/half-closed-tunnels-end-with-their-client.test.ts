import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { watchedTunnel } from './watched-tunnel.ts'

test('a client that sent FIN and then resets: the server is told, though it says nothing', async (t) => {
  let served: Socket | undefined
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    served = socket.resume()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const tunnel = await watchedTunnel(t, (server.address() as AddressInfo).port)
  const client = connect({ port: tunnel.port, host: '127.0.0.1', allowHalfOpen: true })
  await once(client, 'connect')
  client.end('hello')
  while (served === undefined || served.readableEnded === false) await new Promise((resolve) => setTimeout(resolve, 10))
  client.resetAndDestroy()
  // Node does not look at a socket either once it has read FIN: write, as an epoll server would be told.
  let gone = false
  served.on('error', () => {})
  served.on('close', () => {
    gone = true
  })
  const until = performance.now() + 8000
  await tunnel.facts()
  while (!gone && performance.now() < until) {
    served.write('x')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  assert.ok(gone)
})
