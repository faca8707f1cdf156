/** A call that was answered with a status alone is tried once more, where the operator says that calls may be repeated. */
import assert from 'node:assert/strict'
import type { ServerHttp2Stream } from 'node:http2'
import { type TestContext, test } from 'node:test'
import { eventually } from '../support/proxy.ts'
import { assertStatus, EchoClient, outcomeOf } from './echo.ts'
import { startGrpcProxy } from './grpc-proxy.ts'
import { startRawServer } from './raw-server.ts'

const METHOD = '/any.Service/Method'
const GRPC = { ':status': 200, 'content-type': 'application/grpc' }
const RETRY = { flags: { 'grpc.retryOn': 'UNAVAILABLE' } }

/** Answers calls one after the other by these; the last for all that follow. Gives what it was sent. */
async function scripted(t: TestContext, script: readonly ((stream: ServerHttp2Stream) => void)[]) {
  const bodies: Promise<number>[] = []
  const upstream = await startRawServer(t, (stream) => {
    const answer = script[Math.min(bodies.length, script.length - 1)]!
    let bytes = 0
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    bodies.push(
      new Promise((resolve) => {
        stream.on('end', () => resolve(bytes))
        stream.on('close', () => resolve(bytes))
      }),
    )
    answer(stream)
  })
  return { port: upstream.port, bodies }
}

const unavailable = (stream: ServerHttp2Stream): void => {
  stream.respond({ ...GRPC, 'grpc-status': '14', 'grpc-message': 'not now' }, { endStream: true })
}
const echo = (stream: ServerHttp2Stream): void => {
  const parts: Buffer[] = []
  stream.on('data', (part: Buffer) => parts.push(part))
  stream.on('end', () => {
    stream.respond(GRPC, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    stream.end(Buffer.concat(parts))
  })
}
/** grpc-js would retry by itself. */
const NO_RETRIES = { 'grpc.enable_retries': 0 }

test('UNAVAILABLE once: the second attempt has the whole message', async (t) => {
  const server = await scripted(t, [unavailable, echo])
  const { port, proxy } = await startGrpcProxy(t, server.port, RETRY)
  const { response, status } = await new EchoClient(t, port, NO_RETRIES).unary(METHOD, Buffer.from('again'))
  assertStatus(status, 'OK')
  assert.equal(response?.toString(), 'again')
  const [finished] = await proxy.finished(1)
  assert.equal(finished!.attempts, 2)
  assert.equal(await server.bodies[1], 10)
})

test('UNAVAILABLE twice: it is the answer', async (t) => {
  const server = await scripted(t, [unavailable])
  const { port, proxy, calls } = await startGrpcProxy(t, server.port, RETRY)
  const { status } = await new EchoClient(t, port, NO_RETRIES).unary(METHOD, Buffer.from('again'))
  assertStatus(status, 'UNAVAILABLE', /not now/)
  assert.equal((await proxy.finished(1))[0]!.attempts, 2)
  assert.equal(calls[0]!.status, 'UNAVAILABLE')
})

test('a stream of requests that goes on is sent on to the second attempt', async (t) => {
  const server = await scripted(t, [unavailable, echo])
  const { port, proxy } = await startGrpcProxy(t, server.port, RETRY)
  const call = new EchoClient(t, port, NO_RETRIES).chat(METHOD)
  call.write(Buffer.from('first'))
  await eventually('there are two attempts', () => server.bodies.length === 2)
  call.write(Buffer.from('second'))
  call.end()
  const { messages, status } = await outcomeOf(call)
  assertStatus(status, 'OK')
  assert.deepEqual(messages.map(String), ['first', 'second'])
  assert.equal((await proxy.finished(1))[0]!.attempts, 2)
})

/** Cases in which the first answer stays. */
const STAYS: readonly (readonly [string, Record<string, string>, (stream: ServerHttp2Stream) => void, number])[] = [
  ['without the setting', {}, unavailable, 10],
  ['another status', RETRY.flags, (stream) => stream.respond({ ...GRPC, 'grpc-status': '9' }, { endStream: true }), 10],
  [
    'the server names a time',
    RETRY.flags,
    (stream) => stream.respond({ ...GRPC, 'grpc-status': '14', 'grpc-retry-pushback-ms': '500' }, { endStream: true }),
    10,
  ],
  [
    'behind a message',
    RETRY.flags,
    (stream) => {
      stream.respond(GRPC, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '14' }))
      stream.end(Buffer.from([0, 0, 0, 0, 1, 0x78]))
    },
    10,
  ],
  [
    'a message that is too large to be kept',
    RETRY.flags,
    (stream) => stream.on('end', () => unavailable(stream)),
    500_000,
  ],
]

for (const [name, flags, answer, size] of STAYS) {
  test(`not retried: ${name}`, async (t) => {
    const server = await scripted(t, [answer, echo])
    const { port, proxy } = await startGrpcProxy(t, server.port, { flags })
    const { status } = await new EchoClient(t, port, NO_RETRIES).unary(METHOD, Buffer.alloc(size))
    assert.notEqual(status.code, 0)
    assert.equal((await proxy.finished(1))[0]!.attempts, 1)
    assert.equal(server.bodies.length, 1)
  })
}
