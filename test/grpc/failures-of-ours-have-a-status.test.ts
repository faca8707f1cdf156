/** What fails on the way is told as a gRPC status that says what may be done, on a head that is all where nothing came. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:http2'
import { createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { eventually } from '../support/proxy.ts'
import { assertStatus, EchoClient, outcomeOf } from './echo.ts'
import { startGrpcProxy } from './grpc-proxy.ts'
import { startRawServer } from './raw-server.ts'

const METHOD = '/any.Service/Method'
const MESSAGE = Buffer.from([0, 0, 0, 0, 1, 0x78])
const GRPC = { ':status': 200, 'content-type': 'application/grpc' }

/** A port that nobody listens on. */
async function closedPort(): Promise<number> {
  const server = createServer()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

async function unary(t: TestContext, port: number, flags: Record<string, string> = {}) {
  const proxy = await startGrpcProxy(t, port, { flags })
  const { status } = await new EchoClient(t, proxy.port).unary(METHOD, Buffer.from('x'))
  await eventually('the call is over', () => proxy.calls.length === 1)
  return { status, call: proxy.calls[0]! }
}

test('nobody listens: UNAVAILABLE, with the cause', async (t) => {
  const { status, call } = await unary(t, await closedPort())
  assertStatus(status, 'UNAVAILABLE', /connection_refused: .*ECONNREFUSED/)
  assert.deepEqual(call, { path: METHOD, status: 'UNAVAILABLE', error: 'connection_refused', httpStatus: 200 })
})

test('the upstream closes before it answers: UNAVAILABLE', async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.end())
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => server.close())
  const { status } = await unary(t, (server.address() as { port: number }).port)
  assertStatus(status, 'UNAVAILABLE')
})

test('the upstream does not answer in time: DEADLINE_EXCEEDED', async (t) => {
  const upstream = await startRawServer(t, () => {})
  const { status } = await unary(t, upstream.port, { 'timeouts.firstByteMs': '200' })
  assertStatus(status, 'DEADLINE_EXCEEDED', /first_byte_timeout/)
})

test('the upstream resets: the status of its code', async (t) => {
  const upstream = await startRawServer(t, (stream) => stream.close(0xb))
  const { status, call } = await unary(t, upstream.port)
  assertStatus(status, 'RESOURCE_EXHAUSTED', /ENHANCE_YOUR_CALM/)
  assert.equal(call.error, 'stream_reset')
})

test('the upstream breaks off behind messages: the status stands in trailers', async (t) => {
  const upstream = await startRawServer(t, (stream) => {
    stream.respond(GRPC, { waitForTrailers: true })
    stream.write(MESSAGE, () => stream.session?.destroy())
  })
  const proxy = await startGrpcProxy(t, upstream.port)
  const { messages, status } = await outcomeOf(new EchoClient(t, proxy.port).split(METHOD, Buffer.from('x')))
  assert.equal(messages.length, 1)
  assertStatus(status, 'UNAVAILABLE', /upstream_aborted/)
})

test('an upstream that is no gRPC server: its HTTP status counts', async (t) => {
  const upstream = await startRawServer(t, (stream) => {
    stream.respond({ ':status': 404, 'content-type': 'text/plain' })
    stream.end('what?')
  })
  const { status, call } = await unary(t, upstream.port)
  assertStatus(status, 'UNIMPLEMENTED')
  assert.deepEqual(call, { path: METHOD, status: 'UNIMPLEMENTED', error: undefined, httpStatus: 404 })
})

test('a response without a status is UNKNOWN', async (t) => {
  const upstream = await startRawServer(t, (stream) => {
    stream.respond(GRPC)
    stream.end(MESSAGE)
  })
  const { call } = await unary(t, upstream.port)
  assert.equal(call.status, 'UNKNOWN')
})

test('a head that is all stays one: clients retry by it', async (t) => {
  const upstream = await startRawServer(t, (stream) => {
    stream.respond({ ...GRPC, 'grpc-status': '14', 'grpc-message': 'later' }, { endStream: true })
  })
  const { port } = await startGrpcProxy(t, upstream.port)
  const session = connect(`http://127.0.0.1:${port}`)
  t.after(() => session.destroy())
  const call = session.request({
    ':method': 'POST',
    ':path': METHOD,
    'content-type': 'application/grpc',
    te: 'trailers',
  })
  call.end(MESSAGE)
  const [headers, flags] = await once(call, 'response')
  assert.equal(headers['grpc-status'], '14')
  assert.equal(flags & 1, 1)
})

test('a call that is not well formed is refused as a call', async (t) => {
  const upstream = await startRawServer(t, () => {})
  const { port, calls } = await startGrpcProxy(t, upstream.port)
  const session = connect(`http://127.0.0.1:${port}`, { settings: { enablePush: false } })
  session.on('error', () => {})
  t.after(() => session.destroy())
  const call = session.request({
    ':method': 'POST',
    ':path': `/${'x'.repeat(20_000)}`,
    'content-type': 'application/grpc',
    te: 'trailers',
  })
  call.on('error', () => {})
  const [headers] = await once(call, 'response')
  assert.equal(headers[':status'], 200)
  assert.equal(headers['grpc-status'], '8')
  assert.equal(calls[0]!.error, 'target_too_long')
})
