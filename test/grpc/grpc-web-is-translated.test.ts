/** Clients of gRPC-Web call a gRPC server: a real client library, and the base64 form, which only browsers' own has. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { Code, type ConnectError } from '@connectrpc/connect'
import { eventually } from '../support/proxy.ts'
import { WebClient } from './connect-web.ts'
import { pathOf, startEcho } from './echo.ts'
import { startGrpcProxy } from './grpc-proxy.ts'
import { startRawServer } from './raw-server.ts'

const TRANSLATE = { flags: { 'grpc.web': 'translate', 'upstream.protocol': 'auto' } }

for (const version of ['1.1', '2'] as const) {
  test(`Connect's client over HTTP/${version}: unary, streams, statuses, metadata`, async (t) => {
    const server = await startEcho(t)
    const { port, calls } = await startGrpcProxy(t, server.port, TRANSLATE)
    const client = new WebClient(port, version)
    const bytes = Buffer.alloc(100_000, 'grpc-web ')
    const { message, header, trailer } = await client.unary('unary', bytes, { 'x-sent': 'by a browser' })
    assert.ok(Buffer.from(message.value).equals(bytes))
    assert.equal(header.get('x-echo-head'), 'by a browser')
    assert.equal(header.get('content-type'), 'application/grpc-web+proto')
    assert.equal(trailer.get('x-echo-trailer'), 'by a browser')
    assert.deepEqual(server.metadata[0]!.get('x-grpc-web'), [])
    const repeated = await client.stream('repeat', bytes)
    assert.equal(repeated.messages.length, 5)
    assert.equal(repeated.error, undefined)
    assert.equal(repeated.trailers.get('x-echo-trailer'), 'none')
    // The first octet of a BytesValue is 10, which is what the service then fails with.
    const late = await client.stream('failLate', bytes)
    assert.equal(late.messages.length, 1)
    assert.equal(late.error?.code, Code.Aborted)
    const failure = await client.unary('fail', Buffer.from('x')).catch((error: ConnectError) => error)
    assert.equal((failure as ConnectError).code, Code.Aborted)
    assert.equal((failure as ConnectError).rawMessage, 'as you wish: 100 % größer')
    await eventually('all calls are over', () => calls.length === 4)
    assert.deepEqual(
      calls.map(({ path, status }) => [path, status]),
      [
        [pathOf('Unary'), 'OK'],
        [pathOf('Repeat'), 'OK'],
        [pathOf('FailLate'), 'ABORTED'],
        [pathOf('Fail'), 'ABORTED'],
      ],
    )
  })
}

interface Answer {
  readonly response: IncomingMessage
  readonly text: string
}

/** POST a body in pieces, as `application/grpc-web-text`. */
async function post(port: number, path: string, pieces: readonly string[], chunked = false): Promise<Answer> {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
  const headers = { 'content-type': 'application/grpc-web-text', 'x-grpc-web': '1' }
  const call = request({
    port,
    path,
    method: 'POST',
    headers: chunked ? headers : { ...headers, 'content-length': String(length) },
  })
  for (const piece of pieces) {
    call.write(piece)
    // Each piece in a segment of its own.
    await new Promise((resolve) => setImmediate(resolve))
  }
  call.end()
  const [response] = (await once(call, 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of response.setEncoding('latin1')) text += chunk
  return { response, text }
}

/** The frames in a body of base64 texts with padding wherever: [first octet, payload]. */
function framesOf(text: string): [number, string][] {
  assert.equal(text.length % 4, 0)
  const bytes = Buffer.concat((text.match(/.{4}/g) ?? []).map((group) => Buffer.from(group, 'base64')))
  const frames: [number, string][] = []
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at + 1)
    frames.push([bytes[at]!, bytes.toString('latin1', at + 5, at + 5 + length)])
    at += 5 + length
  }
  return frames
}

const framed = (message: string): string => {
  const bytes = Buffer.alloc(5 + message.length)
  bytes.writeUInt32BE(message.length, 1)
  bytes.write(message, 5, 'latin1')
  return bytes.toString('base64')
}

test('base64: in one piece, in many, with a length and without', async (t) => {
  const server = await startEcho(t)
  const { port } = await startGrpcProxy(t, server.port, TRANSLATE)
  const body = framed('a message for a browser')
  for (const pieces of [[body], [...body], [body.slice(0, 3), body.slice(3, 10), body.slice(10)]]) {
    for (const chunked of [false, true]) {
      const { response, text } = await post(port, pathOf('Unary'), pieces, chunked)
      assert.equal(response.statusCode, 200)
      assert.equal(response.headers['content-type'], 'application/grpc-web-text+proto')
      const [message, trailers, ...more] = framesOf(text)
      assert.deepEqual(message, [0, 'a message for a browser'])
      assert.equal(trailers![0], 0x80)
      assert.match(trailers![1], /^grpc-status: 0\r\n/m)
      assert.match(trailers![1], /^x-echo-trailer: none\r\n/m)
      assert.deepEqual(more, [])
    }
  }
})

test('base64: each message of a stream comes when it is sent', async (t) => {
  let sendNext = (): void => {}
  const upstream = await startRawServer(t, (stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    stream.write(Buffer.from([0, 0, 0, 0, 2, 0x68, 0x69]))
    sendNext = () => stream.end(Buffer.from([0, 0, 0, 0, 1, 0x21]))
  })
  const { port } = await startGrpcProxy(t, upstream.port, TRANSLATE)
  const call = request({
    port,
    path: '/a.B/C',
    method: 'POST',
    headers: { 'content-type': 'application/grpc-web-text' },
  })
  call.end(framed('x'))
  const [response] = (await once(call, 'response')) as [IncomingMessage]
  let text = ''
  response.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk
  })
  await eventually('the first message is here', () => framesOf(text).length === 1)
  assert.deepEqual(framesOf(text), [[0, 'hi']])
  sendNext()
  await once(response, 'end')
  assert.deepEqual(framesOf(text).slice(1), [
    [0, '!'],
    [0x80, 'grpc-status: 0\r\n'],
  ])
})

for (const [name, body] of [
  ['other characters', 'AAAA****'],
  ['padding within a group', 'A=AA'],
  ['an end within a group', 'AAAAA'],
] as const) {
  test(`base64 that is none: ${name}`, async (t) => {
    const server = await startEcho(t)
    const { port, calls } = await startGrpcProxy(t, server.port, TRANSLATE)
    const { response } = await post(port, pathOf('Unary'), [body])
    assert.equal(response.statusCode, 200)
    assert.equal(response.headers['content-type'], 'application/grpc-web-text+proto')
    assert.equal(response.headers['grpc-status'], '3')
    assert.match(String(response.headers['grpc-message']), /^bad_grpc_web: /)
    await eventually('the call is over', () => calls.length === 1)
    assert.equal(calls[0]!.status, 'INVALID_ARGUMENT')
  })
}

test('a failure of ours is one of gRPC-Web', async (t) => {
  const closed = createServer()
  await once(closed.listen(0, '127.0.0.1'), 'listening')
  const { port: nobody } = closed.address() as { port: number }
  closed.close()
  await once(closed, 'close')
  const { port } = await startGrpcProxy(t, nobody, TRANSLATE)
  const failure = await new WebClient(port, '1.1')
    .unary('unary', Buffer.from('x'))
    .catch((error: ConnectError) => error)
  assert.equal((failure as ConnectError).code, Code.Unavailable)
  assert.match((failure as ConnectError).rawMessage, /^connection_refused/)
})

test('unless told to, the proxy passes gRPC-Web on as it is', async (t) => {
  const upstream = await startRawServer(t, (stream, headers) => {
    stream.respond({ ':status': 200, 'content-type': String(headers['content-type']), 'x-grpc-web': 'seen' })
    stream.end('as it came')
  })
  const { port, calls } = await startGrpcProxy(t, upstream.port)
  const { response, text } = await post(port, '/a.B/C', [framed('x')])
  assert.equal(response.headers['content-type'], 'application/grpc-web-text')
  assert.equal(text, 'as it came')
  await eventually('the call is over', () => calls.length === 1)
  assert.equal(calls[0]!.status, '')
})
