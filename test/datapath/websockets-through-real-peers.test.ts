import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import { TestProxy } from '../support/proxy.ts'

/** An echo server of `ws` behind a proxy; gives the URL of the proxy. */
async function echo(t: TestContext): Promise<{ url: string; proxy: TestProxy; server: WebSocketServer }> {
  const http = createServer()
  const server = new WebSocketServer({ server: http, handleProtocols: () => 'chat' })
  server.on('connection', (socket) => {
    socket.on('message', (data, binary) => socket.send(data, { binary }))
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const proxy = await TestProxy.start(`http://127.0.0.1:${(http.address() as AddressInfo).port}`)
  t.after(async () => {
    for (const socket of server.clients) socket.terminate()
    await proxy.close()
    http.closeAllConnections()
    http.close()
  })
  return { url: `ws://127.0.0.1:${proxy.port}/chat`, proxy, server }
}

async function open(url: string): Promise<WebSocket> {
  const socket = new WebSocket(url, 'chat')
  await once(socket, 'open')
  return socket
}

async function echoed(socket: WebSocket, message: string | Buffer): Promise<Buffer> {
  socket.send(message)
  const [data, binary] = (await once(socket, 'message')) as [Buffer, boolean]
  assert.equal(binary, typeof message !== 'string')
  return data
}

test('text, binary, a megabyte, ping and pong', async (t) => {
  const { url, proxy } = await echo(t)
  const socket = await open(url)
  assert.equal(socket.protocol, 'chat')
  assert.equal((await echoed(socket, 'grüße')).toString(), 'grüße')
  const bytes = Buffer.from(Uint8Array.from({ length: 1024 * 1024 }, (_, i) => i * 7))
  assert.ok((await echoed(socket, bytes)).equals(bytes))
  socket.ping('are you there')
  const [pong] = (await once(socket, 'pong')) as [Buffer]
  assert.equal(pong.toString(), 'are you there')
  socket.close(4001, 'done')
  const [code, reason] = (await once(socket, 'close')) as [number, Buffer]
  assert.equal(code, 4001)
  assert.equal(reason.toString(), 'done')
  const [seen] = await proxy.finished(1)
  assert.equal(seen?.status, 101)
  assert.equal(seen?.error, undefined)
  assert.ok(seen!.requestBytes > 1024 * 1024 && seen!.responseBytes > 1024 * 1024)
})

test('the close code of the server reaches the client', async (t) => {
  const { url, server } = await echo(t)
  const socket = await open(url)
  for (const peer of server.clients) peer.close(1012, 'restart')
  const [code, reason] = (await once(socket, 'close')) as [number, Buffer]
  assert.equal(code, 1012)
  assert.equal(reason.toString(), 'restart')
})

test('a client that vanishes takes the upstream connection with it', async (t) => {
  const { url, server, proxy } = await echo(t)
  const socket = await open(url)
  const [peer] = server.clients
  socket.terminate()
  await once(peer!, 'close')
  await proxy.finished(1)
  assert.equal(proxy.plane.connections, 0)
})
