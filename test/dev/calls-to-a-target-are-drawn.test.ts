/** `hopscope dev --target`: a developer's own server behind Hopscope. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, request } from 'node:http'
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net'
import test from 'node:test'
import { startDev } from './dev-process.ts'

test('a call is drawn, and its response carries server-timing', async () => {
  const server = createServer((incoming, response) => {
    assert.match(String(incoming.headers.traceparent), /^00-/)
    response.writeHead(incoming.url === '/broken' ? 500 : 200).end('mine')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const dev = startDev(['--target', `http://127.0.0.1:${port}`, '--port', '0'])
  try {
    const [, url] = await dev.shows(/use (http:\S+) in its place/)
    const response = await get(`${url}/things?q=1`)
    assert.equal(response.statusCode, 200)
    assert.match(String(response.headers['server-timing']), /hopscope-wait;dur=\d/)
    await dev.shows(/^● GET \/things → 200 /m)
    assert.match(dev.screen(), new RegExp(`^ {2}127\\.0\\.0\\.1:${port} GET /things 200 `, 'm'))

    // The caller's own trace is kept, although its span never comes.
    await get(`${url}/broken`, { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' })
    await dev.shows(/^✗ GET \/broken → 500 .* answered 500 {3}4bf92f35$/m)
  } finally {
    await dev.interrupt()
    server.close()
    server.closeAllConnections()
  }
})

test('a server that is not there yet is named as such', async () => {
  const free = createTcpServer().listen(0, '127.0.0.1')
  await once(free, 'listening')
  const { port } = free.address() as AddressInfo
  free.close()
  await once(free, 'close')
  const dev = startDev(['--target', `http://127.0.0.1:${port}`, '--port', '0'])
  try {
    const [, url] = await dev.shows(/use (http:\S+) in its place/)
    assert.equal((await get(`${url}/`)).statusCode, 502)
    await dev.shows(/^✗ GET \/ → 502 .* failed: connection_refused \(connect\)/m)
    await get(`${url}/`)
  } finally {
    await dev.interrupt()
  }
  assert.doesNotMatch(dev.screen(), /"level"/, 'nothing is told of spans that came too late')
})

test('a second POST /quit changes nothing', async () => {
  const dev = startDev(['--port', '0', '--admin', '127.0.0.1:0'])
  const [, admin] = await dev.shows(/^admin: http:\S+:(\d+)$/m)
  await dev.shows(/^Ctrl-C ends it/m)
  const ended = once(dev.child, 'exit')
  const socket = connect(Number(admin), '127.0.0.1').resume()
  socket.on('error', () => {})
  socket.write('POST /quit HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n'.repeat(2))
  assert.deepEqual(await ended, [0, null])
  socket.destroy()
})

test('a port that is taken ends it with a message', async () => {
  const taken = createTcpServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  const dev = startDev(['--port', String(port)])
  // Not `exit`: what it wrote may come after that.
  const [code] = await once(dev.child, 'close')
  taken.close()
  assert.equal(code, 1)
  assert.match(dev.screen(), new RegExp(`port ${port} is in use`))
})

async function get(url: string, headers: Record<string, string> = {}): Promise<IncomingMessage> {
  const [response] = (await once(request(url, { headers }).end(), 'response')) as [IncomingMessage]
  response.resume()
  await once(response, 'end')
  return response
}
