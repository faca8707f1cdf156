/** A call that nobody waits for any more ends on both sides, whoever gives it up. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type ServerHttp2Stream } from 'node:http2'
import { test } from 'node:test'
import * as grpc from '@grpc/grpc-js'
import { eventually } from '../support/proxy.ts'
import { assertStatus, EchoClient, outcomeOf, pathOf, startEcho } from './echo.ts'
import { startGrpcProxy } from './grpc-proxy.ts'
import { startRawServer } from './raw-server.ts'

test('a client cancels: the upstream hears of it, and the call counts as cancelled', async (t) => {
  const server = await startEcho(t)
  const { port, calls } = await startGrpcProxy(t, server.port)
  const call = new EchoClient(t, port).split(pathOf('Hang'), Buffer.from('begin'))
  await once(call, 'data')
  call.cancel()
  assertStatus((await outcomeOf(call)).status, 'CANCELLED')
  await eventually('the upstream hears of it', () => server.cancelled.length === 1)
  await eventually('the call is over', () => calls.length === 1)
  assert.deepEqual(calls[0], { path: pathOf('Hang'), status: 'CANCELLED', error: 'client_closed', httpStatus: 200 })
})

test('a client cancels before anything was answered', async (t) => {
  const server = await startEcho(t)
  const { port, calls } = await startGrpcProxy(t, server.port)
  const call = new EchoClient(t, port).chat(pathOf('Chat'))
  call.write(Buffer.from('x'))
  await once(call, 'data')
  call.cancel()
  await outcomeOf(call)
  await eventually('the upstream hears of it', () => server.cancelled.includes('Chat'))
  await eventually('the call is over', () => calls.length === 1)
  assert.equal(calls[0]!.status, 'CANCELLED')
})

test('the upstream cancels: the client hears of it', async (t) => {
  const upstream = await startRawServer(t, (stream: ServerHttp2Stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.write(Buffer.from([0, 0, 0, 0, 1, 0x78]))
    setImmediate(() => stream.close(0x8))
  })
  const { port, calls } = await startGrpcProxy(t, upstream.port)
  const { status } = await outcomeOf(new EchoClient(t, port).split('/any.Service/Method', Buffer.from('x')))
  assertStatus(status, 'CANCELLED', /stream_reset/)
  await eventually('the call is over', () => calls.length === 1)
  assert.equal(calls[0]!.status, 'CANCELLED')
})

test('a deadline goes on to the upstream as it came', async (t) => {
  const upstream = await startRawServer(t, (stream, headers) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '0' }, { endStream: true })
    assert.equal(headers['grpc-timeout'], '1500m')
  })
  const { port } = await startGrpcProxy(t, upstream.port)
  const session = connect(`http://127.0.0.1:${port}`)
  t.after(() => session.destroy())
  const call = session.request({
    ':method': 'POST',
    ':path': '/a.B/C',
    'content-type': 'application/grpc',
    te: 'trailers',
    'grpc-timeout': '1500m',
  })
  call.end()
  const [headers] = await once(call, 'response')
  assert.equal(headers['grpc-status'], '0')
})

test('a deadline passes that neither side keeps: answered, and the upstream is told to stop', async (t) => {
  let reset = 0
  const upstream = await startRawServer(t, (stream) => {
    stream.on('close', () => {
      reset = stream.rstCode
    })
  })
  const { port, calls } = await startGrpcProxy(t, upstream.port)
  const session = connect(`http://127.0.0.1:${port}`)
  t.after(() => session.destroy())
  const call = session.request({
    ':method': 'POST',
    ':path': '/a.B/C',
    'content-type': 'application/grpc',
    te: 'trailers',
    'grpc-timeout': '200m',
  })
  const started = performance.now()
  const [headers, flags] = await once(call, 'response')
  const tookMs = performance.now() - started
  assert.equal(headers[':status'], 200)
  assert.equal(headers['grpc-status'], String(grpc.status.DEADLINE_EXCEEDED))
  assert.match(String(headers['grpc-message']), /^deadline_exceeded: /)
  assert.equal(flags & 1, 1, 'a head that is all')
  assert.ok(tookMs >= 190 && tookMs < 1000, `${tookMs} ms`)
  await eventually('the upstream is told', () => reset === 0x8)
  await eventually('the call is over', () => calls.length === 1)
  assert.deepEqual(calls[0], {
    path: '/a.B/C',
    status: 'DEADLINE_EXCEEDED',
    error: 'deadline_exceeded',
    httpStatus: 200,
  })
})

test('a deadline passes in the middle of a stream: messages first, then the status in trailers', async (t) => {
  const upstream = await startRawServer(t, (stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc+proto' }, { waitForTrailers: true })
    stream.write(Buffer.from([0, 0, 0, 0, 1, 0x78]))
  })
  const { port } = await startGrpcProxy(t, upstream.port)
  const session = connect(`http://127.0.0.1:${port}`)
  t.after(() => session.destroy())
  const call = session.request({
    ':method': 'POST',
    ':path': '/a.B/C',
    'content-type': 'application/grpc',
    te: 'trailers',
    'grpc-timeout': '150m',
  })
  let bytes = 0
  call.on('data', (chunk: Buffer) => {
    bytes += chunk.length
  })
  const [trailers] = await once(call, 'trailers')
  assert.equal(trailers['grpc-status'], String(grpc.status.DEADLINE_EXCEEDED))
  assert.equal(bytes, 6)
})

test('a deadline of a client that keeps it itself ends the call at the upstream', async (t) => {
  const server = await startEcho(t)
  const { port, calls } = await startGrpcProxy(t, server.port)
  const call = new EchoClient(t, port).split(pathOf('Hang'), Buffer.from('begin'), { deadline: Date.now() + 300 })
  assertStatus((await outcomeOf(call)).status, 'DEADLINE_EXCEEDED')
  await eventually('the upstream hears of it', () => server.cancelled.length === 1)
  await eventually('the call is over', () => calls.length === 1)
  assert.ok(['CANCELLED', 'DEADLINE_EXCEEDED'].includes(calls[0]!.status), calls[0]!.status)
  assert.equal(server.metadata[0]!.get('grpc-timeout').length, 0, 'grpc-js takes it out')
})
