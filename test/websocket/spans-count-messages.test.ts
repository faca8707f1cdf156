/** Real clients and servers of `ws` through a real proxy with a real collector: what the span of the exchange says. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect as http2 } from 'node:http2'
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net'
import { after, before, test } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import { type Instance, startInstance } from '../process/instance.ts'
import { eventually } from '../support/proxy.ts'
import { Collector, type ReceivedSpan } from '../telemetry/collector.ts'
import { CLOSE, closing, frame, TEXT } from './frames.ts'

const http = createServer()
const server = new WebSocketServer({ server: http, perMessageDeflate: { threshold: 0 } })
let collector: Collector
let proxy: Instance

before(async () => {
  server.on('connection', (socket) => {
    socket.on('message', (data, binary) => {
      if (data.toString() === 'close') socket.close(1011, 'no more')
      else socket.send(data, { binary })
    })
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  collector = await new Collector().start()
  const upstream = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  proxy = await startInstance(upstream, ['--otlp-endpoint', collector.endpoint, '--otlp-schedule-ms', '20'])
})
after(async () => {
  await proxy.stop('SIGKILL')
  await collector.stop()
  http.closeAllConnections()
  http.close()
})

async function open(path: string, options: object = {}): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}${path}`, options)
  await once(socket, 'open')
  return socket
}

async function echoed(socket: WebSocket, message: string | Buffer): Promise<void> {
  socket.send(message)
  await once(socket, 'message')
}

async function spanOf(path: string): Promise<ReceivedSpan> {
  const found = (): ReceivedSpan | undefined =>
    collector.spans.find(({ attributes }) => attributes['url.path'] === path)
  await eventually(`span of ${path}`, () => found() !== undefined)
  return found()!
}

/** Attributes of the WebSocket alone, times left out. */
function counts({ attributes }: ReceivedSpan): Record<string, unknown> {
  const ours = Object.entries(attributes).filter(
    ([key]) => key.startsWith('hopscope.websocket.') && !key.endsWith('_us'),
  )
  return Object.fromEntries(ours.map(([key, value]) => [key.slice('hopscope.websocket.'.length), value]))
}

test('messages, bytes, fragments, pings and the close of a client', async () => {
  const socket = await open('/plain', { perMessageDeflate: false })
  await echoed(socket, 'grüße')
  await echoed(socket, Buffer.alloc(100_000, 7))
  for (const [part, fin] of [
    ['one ', false],
    ['two ', false],
    ['three', true],
  ] as const) {
    socket.send(part, { fin })
    socket.ping('between')
  }
  await once(socket, 'message')
  socket.close(4001, 'done')
  await once(socket, 'close')
  const span = await spanOf('/plain')
  assert.deepEqual(counts(span), {
    'client.messages': 3,
    'client.bytes': 7 + 100_000 + 13,
    'client.texts': 2,
    'client.largest_bytes': 100_000,
    'client.fragments': 2,
    'client.pings': 3,
    'client.close_code': 4001,
    'server.messages': 3,
    'server.bytes': 7 + 100_000 + 13,
    'server.texts': 2,
    'server.largest_bytes': 100_000,
    'server.pongs': 3,
    'server.close_code': 4001,
    closed_by: 'client',
    close_code: 4001,
    close_reason_bytes: 4,
  })
  assert.equal(span.attributes['http.response.status_code'], 101)
  assert.equal(span.attributes['error.type'], undefined)
})

test('first and last message stand in their order within the exchange', async () => {
  const socket = await open('/times')
  await echoed(socket, 'first')
  await echoed(socket, 'last')
  socket.close()
  await once(socket, 'close')
  const { attributes, startNs, endNs } = await spanOf('/times')
  const at = (name: string): number => attributes[`hopscope.websocket.${name}_us`] as number
  const order = [
    0,
    at('client.first_message'),
    at('server.first_message'),
    at('client.last_message'),
    at('server.last_message'),
    Number(endNs - startNs) / 1000,
  ]
  assert.deepEqual(
    order,
    order.toSorted((a, b) => a - b),
    order.join(' '),
  )
  assert.ok(at('server.first_message') <= at('server.last_message'))
})

test('compressed messages are messages; the close of the server has its code', async () => {
  const socket = await open('/compressed', { perMessageDeflate: { threshold: 0 } })
  assert.match(socket.extensions, /permessage-deflate/)
  await echoed(socket, 'a'.repeat(10_000))
  socket.send('close')
  await once(socket, 'close')
  const found = counts(await spanOf('/compressed'))
  assert.deepEqual([found['client.messages'], found['server.messages']], [2, 1])
  assert.ok((found['server.bytes'] as number) < 100, 'bytes are those on the wire')
  assert.deepEqual([found.closed_by, found.close_code, found.close_reason_bytes], ['server', 1011, 7])
})

test('a client that vanishes has no close code', async () => {
  const socket = await open('/vanished')
  await echoed(socket, 'x')
  socket.terminate()
  const found = counts(await spanOf('/vanished'))
  assert.deepEqual([found['client.messages'], found.close_code, found.closed_by], [1, undefined, undefined])
})

test('a WebSocket on a stream of HTTP/2 is counted alike', async (t) => {
  const session = http2(`http://127.0.0.1:${proxy.port}`)
  t.after(() => session.destroy())
  await once(session, 'remoteSettings')
  const asked = { ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/two', 'sec-websocket-version': '13' }
  const stream = session.request(asked, { endStream: false })
  await once(stream, 'response')
  const mask = [9, 8, 7, 6] as const
  stream.write(frame(TEXT, 'over two', { mask }))
  await once(stream, 'data')
  stream.end(frame(CLOSE, closing(1000), { mask }))
  stream.resume()
  await once(stream, 'close')
  const found = counts(await spanOf('/two'))
  assert.deepEqual([found['client.messages'], found['client.bytes'], found['server.bytes']], [1, 8, 8])
  assert.deepEqual([found.closed_by, found.close_code], ['client', 1000])
})

test('broken frames go through untouched, and the span says where the count stopped', async (t) => {
  const raw = createTcpServer((socket) => {
    socket.once('data', () => {
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n',
      )
      socket.on('data', (bytes) => socket.write(bytes))
    })
    socket.on('end', () => socket.end())
  })
  raw.listen(0, '127.0.0.1')
  await once(raw, 'listening')
  const other = await startInstance(`http://127.0.0.1:${(raw.address() as AddressInfo).port}`, [
    '--otlp-endpoint',
    collector.endpoint,
    '--otlp-schedule-ms',
    '20',
  ])
  t.after(async () => {
    await other.stop('SIGKILL')
    raw.close()
  })
  const client: Socket = connect(other.port, '127.0.0.1')
  client.write(
    'GET /broken HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  )
  let received = Buffer.alloc(0)
  client.on('data', (bytes: Buffer) => {
    received = Buffer.concat([received, bytes])
  })
  await eventually('101', () => received.includes('\r\n\r\n'))
  const sent = Buffer.concat([
    frame(TEXT, 'fine', { mask: [1, 2, 3, 4] }),
    frame(TEXT, 'not masked'),
    Buffer.from('anything at all'),
  ])
  client.write(sent)
  await eventually('echo', () => received.subarray(received.indexOf('\r\n\r\n') + 4).equals(sent))
  client.end()
  const found = counts(await spanOf('/broken'))
  assert.equal(found['client.malformed'], 'client frame without mask')
  assert.equal(found['client.messages'], 1)
  // What comes back is masked, as no server's frames are.
  assert.equal(found['server.malformed'], 'masked server frame')
  const metrics = await (await fetch(`http://127.0.0.1:${other.metricsPort}/metrics`)).text()
  assert.match(metrics, /hopscope_websocket_malformed_total\{reason="client frame without mask"\} 1/)
})
