/** Calls of all four kinds between grpc-js and grpc-js, through the proxy: messages, metadata, statuses, trailers. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import * as grpc from '@grpc/grpc-js'
import { eventually } from '../support/proxy.ts'
import { assertStatus, EchoClient, outcomeOf, pathOf, SERVING, startEcho } from './echo.ts'
import { startGrpcProxy } from './grpc-proxy.ts'

test('unary, with metadata in the head and behind the message', async (t) => {
  const server = await startEcho(t)
  const { port, calls } = await startGrpcProxy(t, server.port)
  const client = new EchoClient(t, port)
  const metadata = new grpc.Metadata()
  metadata.set('x-sent', 'here and there')
  metadata.set('x-raw-bin', Buffer.from([0, 1, 254, 255]))
  const { response, head, status } = await client.unary(pathOf('Unary'), Buffer.from('hello'), metadata)
  assert.equal(response?.toString(), 'hello')
  assert.deepEqual(head.get('x-echo-head'), ['here and there'])
  assert.deepEqual(status.metadata.get('x-echo-trailer'), ['here and there'])
  assert.deepEqual(server.metadata[0]!.get('x-raw-bin'), [Buffer.from([0, 1, 254, 255])])
  assert.equal(server.metadata[0]!.get('x-request-id').length, 1)
  assertStatus(status, 'OK')
  await eventually('the call is over', () => calls.length === 1)
  assert.deepEqual(calls, [{ path: pathOf('Unary'), status: 'OK', error: undefined, httpStatus: 200 }])
})

test('messages of many sizes, up to a mebibyte', async (t) => {
  const server = await startEcho(t)
  const { port } = await startGrpcProxy(t, server.port)
  const client = new EchoClient(t, port)
  for (const size of [0, 1, 5, 16_384, 65_530, 200_000, 1024 * 1024]) {
    const message = Buffer.alloc(size, size % 251)
    const { response, status } = await client.unary(pathOf('Unary'), message)
    assertStatus(status, 'OK')
    assert.ok(response!.equals(message), `${size} octets`)
  }
})

test('many at once on one connection', async (t) => {
  const server = await startEcho(t)
  const { port, calls } = await startGrpcProxy(t, server.port)
  const client = new EchoClient(t, port)
  const all = await Promise.all(
    Array.from({ length: 300 }, (_, i) => client.unary(pathOf('Unary'), Buffer.from(`call ${i}`))),
  )
  for (const [i, { response }] of all.entries()) assert.equal(response?.toString(), `call ${i}`)
  await eventually('all are over', () => calls.length === 300)
  assert.ok(calls.every(({ status }) => status === 'OK'))
})

test('a stream of requests', async (t) => {
  const server = await startEcho(t)
  const { port } = await startGrpcProxy(t, server.port)
  const parts = Array.from({ length: 200 }, (_, i) => Buffer.alloc(i * 10, i))
  const response = await new EchoClient(t, port).collect(pathOf('Collect'), parts)
  assert.ok(response.equals(Buffer.concat(parts)))
})

test('a stream of responses', async (t) => {
  const server = await startEcho(t)
  const { port, calls } = await startGrpcProxy(t, server.port)
  const { messages, status } = await outcomeOf(new EchoClient(t, port).split(pathOf('Split'), Buffer.from('message')))
  assert.deepEqual(messages.map(String), ['m', 'e', 's', 's', 'a', 'g', 'e'])
  assertStatus(status, 'OK')
  assert.deepEqual(status.metadata.get('x-echo-trailer'), ['none'])
  await eventually('the call is over', () => calls.length === 1)
  assert.equal(calls[0]!.status, 'OK')
})

test('both ways: each message is answered before the next is sent', async (t) => {
  const server = await startEcho(t)
  const { port } = await startGrpcProxy(t, server.port)
  const call = new EchoClient(t, port).chat(pathOf('Chat'))
  for (let i = 0; i < 20; i++) {
    call.write(Buffer.from(`ping ${i}`))
    const [answer] = (await once(call, 'data')) as [Buffer]
    assert.equal(answer.toString(), `ping ${i}`)
  }
  call.end()
  assertStatus((await outcomeOf(call)).status, 'OK')
})

test('every status comes through, with its message', async (t) => {
  const server = await startEcho(t)
  const { port, calls } = await startGrpcProxy(t, server.port)
  const client = new EchoClient(t, port)
  for (let code = 1; code <= 16; code++) {
    const { status } = await client.unary(pathOf('Fail'), Buffer.of(code))
    assert.equal(status.code, code)
    assert.equal(status.details, 'as you wish: 100 % größer')
    await eventually('the call is over', () => calls.length === code)
    assert.equal(calls[code - 1]!.status, grpc.status[code])
  }
})

test('a status behind messages', async (t) => {
  const server = await startEcho(t)
  const { port, calls } = await startGrpcProxy(t, server.port)
  const { messages, status } = await outcomeOf(new EchoClient(t, port).split(pathOf('FailLate'), Buffer.of(9)))
  assert.equal(messages.length, 1)
  assertStatus(status, 'FAILED_PRECONDITION', /too late/)
  await eventually('the call is over', () => calls.length === 1)
  assert.equal(calls[0]!.status, 'FAILED_PRECONDITION')
})

test('a method that is not there, and a health check', async (t) => {
  const server = await startEcho(t)
  const { port } = await startGrpcProxy(t, server.port)
  const client = new EchoClient(t, port)
  assertStatus((await client.unary('/hopscope.test.Echo/Nothing', Buffer.alloc(0))).status, 'UNIMPLEMENTED')
  const { response, status } = await client.unary('/grpc.health.v1.Health/Check', Buffer.alloc(0))
  assertStatus(status, 'OK')
  assert.ok(response!.equals(SERVING))
})
