import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  createServer as createHttp2Server,
  type Http2Server,
  type ServerHttp2Stream,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import type { Stage } from '../../src/exchange/stage.ts'
import { SETTINGS_ENABLE_CONNECT_PROTOCOL } from '../../src/http/message/http2/frames.ts'
import { TestProxy } from '../support/proxy.ts'
import { each, FrameOrigin, toHttp2 } from './frame-origin.ts'
import { data, FramePeer, type Pair, request } from './frame-peer.ts'

const webSocket: Pair[] = [...request('CONNECT', '/chat'), [':protocol', 'websocket'], ['sec-websocket-version', '13']]

/** An echo server of `ws` over HTTP/1.1. */
async function http1Echo(t: TestContext): Promise<number> {
  const http = createServer()
  const server = new WebSocketServer({ server: http, handleProtocols: () => 'chat' })
  server.on('connection', (socket) => socket.on('message', (data, binary) => socket.send(data, { binary })))
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  t.after(() => {
    for (const socket of server.clients) socket.terminate()
    http.closeAllConnections()
    http.close()
  })
  return (http.address() as AddressInfo).port
}

/** A server that takes extended CONNECT and sends all bytes back, frames unread: masked ones are for itself to see. */
async function http2Server(
  t: TestContext,
  enableConnectProtocol: boolean,
): Promise<{ port: number; server: Http2Server }> {
  const server = createHttp2Server({ settings: { enableConnectProtocol } })
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    assert.equal(headers[':protocol'], 'websocket')
    stream.on('error', () => {})
    stream.respond({ ':status': 200, 'sec-websocket-protocol': 'chat' })
    stream.pipe(stream)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return { port: (server.address() as AddressInfo).port, server }
}

async function proxyTo(t: TestContext, port: number, flags: Record<string, string> = {}): Promise<TestProxy> {
  const proxy = await TestProxy.start(`http://127.0.0.1:${port}`, { flags })
  t.after(() => proxy.close())
  return proxy
}

async function client(t: TestContext, proxy: TestProxy): Promise<ClientHttp2Session> {
  const session = connect(`http://127.0.0.1:${proxy.port}`)
  t.after(() => session.destroy())
  await once(session, 'remoteSettings')
  return session
}

function websocket(session: ClientHttp2Session, more: Record<string, string> = {}): ClientHttp2Stream {
  return session.request(
    {
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':scheme': 'http',
      ':path': '/chat',
      'sec-websocket-version': '13',
      'sec-websocket-protocol': 'chat',
      ...more,
    },
    { endStream: false },
  )
}

/** A masked text frame with a key of zeros, so that its payload reads as it is (RFC 6455 §5.2). */
function masked(text: string): Buffer {
  return Buffer.concat([Buffer.of(0x81, 0x80 | text.length, 0, 0, 0, 0), Buffer.from(text)])
}

async function read(stream: ClientHttp2Stream, bytes: number): Promise<Buffer> {
  let all = Buffer.alloc(0)
  while (all.length < bytes) {
    const [chunk] = (await once(stream, 'data')) as [Buffer]
    all = Buffer.concat([all, chunk])
  }
  return all
}

test('a stream of HTTP/2 becomes a WebSocket of an HTTP/1.1 server', async (t) => {
  const proxy = await proxyTo(t, await http1Echo(t))
  const session = await client(t, proxy)
  assert.equal(session.remoteSettings.enableConnectProtocol, true)
  const stream = websocket(session)
  const [headers] = (await once(stream, 'response')) as [Record<string, string | number>]
  assert.equal(headers[':status'], 200)
  assert.equal(headers['sec-websocket-protocol'], 'chat')
  assert.equal(headers['sec-websocket-accept'], undefined)
  assert.equal(headers.upgrade, undefined)
  stream.write(masked('over two'))
  const echoed = await read(stream, 10)
  assert.equal(echoed.subarray(2).toString(), 'over two')
  // A plain request beside it on the same connection.
  stream.write(Buffer.of(0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8))
  const close = await read(stream, 4)
  assert.deepEqual([...close], [0x88, 2, 0x03, 0xe8])
  stream.end()
  await once(stream, 'close')
  const [seen] = await proxy.finished(1)
  assert.equal(seen?.status, 101)
  assert.equal(seen?.error, undefined)
  assert.equal(seen?.requestBytes, 6 + 8 + 8)
})

test('a WebSocket of HTTP/1.1 becomes a stream of an HTTP/2 server', async (t) => {
  const { port } = await http2Server(t, true)
  const proxy = await proxyTo(t, port, { 'upstream.protocol': 'h2' })
  const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/chat`, 'chat')
  await once(socket, 'open')
  assert.equal(socket.protocol, 'chat')
  // The echo is masked, which a client must refuse: that it does shows that the frame came through untouched.
  socket.send('hello')
  const fault = await new Promise<{ code?: string }>((resolve) => socket.once('error', resolve))
  assert.equal(fault.code, 'WS_ERR_UNEXPECTED_MASK')
})

test('HTTP/2 on both sides, with backpressure and a megabyte each way', async (t) => {
  const { port } = await http2Server(t, true)
  const proxy = await proxyTo(t, port, { 'upstream.protocol': 'h2' })
  const stream = websocket(await client(t, proxy))
  await once(stream, 'response')
  const bytes = Buffer.alloc(1024 * 1024, 'abcdefg')
  const got = read(stream, bytes.length)
  stream.write(bytes)
  assert.ok((await got).equals(bytes))
  stream.end()
  await once(stream, 'close')
  const [seen] = await proxy.finished(1)
  assert.equal(seen?.requestBytes, bytes.length)
  assert.equal(seen?.responseBytes, bytes.length)
})

test('an upstream without extended CONNECT is named', async (t) => {
  const { port } = await http2Server(t, false)
  const proxy = await proxyTo(t, port, { 'upstream.protocol': 'h2' })
  const stream = websocket(await client(t, proxy))
  const [headers] = (await once(stream, 'response')) as [Record<string, string | number>]
  assert.equal(headers[':status'], 501)
  const [seen] = await proxy.finished(1)
  assert.equal(seen?.error?.code, 'upgrade_unsupported')
})

test('another protocol, or another version, is refused', async (t) => {
  const proxy = await proxyTo(t, await http1Echo(t))
  const session = await client(t, proxy)
  for (const wrong of [{ ':protocol': 'connect-udp' }, { 'sec-websocket-version': '7' }]) {
    const stream = websocket(session, wrong)
    stream.on('error', () => {})
    const [headers] = (await once(stream, 'response')) as [Record<string, string | number>]
    assert.equal(headers[':status'], 400)
  }
})

test('a client that resets the stream closes the WebSocket behind it', async (t) => {
  const proxy = await proxyTo(t, await http1Echo(t))
  const stream = websocket(await client(t, proxy))
  await once(stream, 'response')
  stream.close(8)
  const [seen] = await proxy.finished(1)
  assert.equal(seen?.error?.code, 'client_closed')
})

test('a tunnel that the server agrees to and ends in the same breath is over when the client ends it', async (t) => {
  const settings: [number, number] = [SETTINGS_ENABLE_CONNECT_PROTOCOL, 1]
  const { dial, origin, proxy } = await toHttp2(
    t,
    each((peer, { id }) => peer.respond(id, 200)),
    { peer: { settings: [settings] } },
  )
  const client = await dial()
  client.send(client.block(1, webSocket))
  await client.until('the end of the tunnel', () => client.stream(1).ended)
  client.send(data(1, 'bye', true))
  const [exchange] = await proxy.finished(1)
  assert.deepEqual([exchange?.status, exchange?.error, exchange?.requestBytes], [101, undefined, 3])
  await origin.connections[0]!.until('what the client sent', () => origin.connections[0]!.stream(1).ended)
})

test('an upgrade that a stage of the user throws at leaves no stream behind at the upstream', async (t) => {
  const origin = await FrameOrigin.start(
    each((peer, { id }) => peer.send(peer.block(id, [[':status', '200']]))),
    { settings: [[SETTINGS_ENABLE_CONNECT_PROTOCOL, 1]] },
  )
  t.after(() => origin.close())
  const thrower: Stage = {
    name: 'thrower',
    role: 'decide',
    onResponseHead: (x) => {
      if (x.status === 101) throw new Error('not this one')
      return undefined
    },
  }
  const proxy = await TestProxy.start(`http://127.0.0.1:${origin.port}`, {
    flags: { 'upstream.protocol': 'h2' },
    stages: [thrower],
  })
  t.after(() => proxy.close())
  const client = await FramePeer.connect(proxy.port)
  t.after(() => client.socket.destroy())
  client.send(client.block(1, webSocket))
  assert.equal((await client.whole(1)).status, 500)
  const [upstream] = origin.connections
  await upstream!.until('the end of the stream', () => upstream!.stream(1).over)
})
