/** grpcio, which is gRPC's C core, on either end: with itself, with grpc-js, and with failures of ours. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import * as grpc from '@grpc/grpc-js'
import { eventually } from '../support/proxy.ts'
import { assertStatus, EchoClient, outcomeOf, pathOf, SERVING, startEcho } from './echo.ts'
import { startGrpcProxy } from './grpc-proxy.ts'

const PEER = 'test/grpc/grpcio_peer.py'
const python = ['python3', '/usr/bin/python3'].find(
  (program) => spawnSync(program, ['-c', 'import grpc'], { timeout: 20_000 }).status === 0,
)
const skip = python === undefined ? 'grpcio for python3 is not installed (Debian: python3-grpcio)' : false

/** The program, and its lines as they come. */
function start(t: TestContext, args: readonly string[]): { readonly child: ChildProcess; readonly lines: string[] } {
  const child = spawn(python!, [PEER, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  const lines: string[] = []
  createInterface({ input: child.stdout! }).on('line', (line) => lines.push(line))
  return { child, lines }
}

async function startServer(t: TestContext): Promise<{ readonly port: number; readonly lines: string[] }> {
  const { lines } = start(t, ['server'])
  await eventually('grpcio listens', () => lines.length > 0)
  return { port: Number(lines[0]), lines }
}

/** All that its client tells, by name. */
async function runClient(t: TestContext, mode: string, port: number): Promise<Record<string, Record<string, unknown>>> {
  const { child, lines } = start(t, [mode, String(port)])
  const [status] = await once(child, 'close')
  assert.equal(status, 0, lines.join('\n'))
  return Object.fromEntries(lines.map((line) => JSON.parse(line)).map(({ name, ...facts }) => [name, facts]))
}

function assertAllWell(told: Record<string, Record<string, unknown>>): void {
  assert.equal(told.unary?.response, 'hello')
  assert.equal(told.large?.same, true)
  assert.equal(told.many?.answered, 100)
  assert.equal(told.collect?.bytes, 1225)
  assert.deepEqual(told.split?.messages, ['a', 'b', 'c'])
  assert.equal(told.chat?.messages, true)
  assert.equal(told.health?.serving, true)
  assert.equal(told.deadline?.status, 'DEADLINE_EXCEEDED')
  assert.equal(told.cancel?.status, 'CANCELLED')
  const statuses = told.fail?.statuses as { status: string; details: string }[]
  for (const [i, { status, details }] of statuses.entries()) {
    assert.equal(status, grpc.status[i + 1])
    assert.equal(details, 'as you wish: 100 % größer')
  }
}

test('grpcio calls grpcio', { skip }, async (t) => {
  const server = await startServer(t)
  const { port, calls } = await startGrpcProxy(t, server.port)
  const told = await runClient(t, 'client', port)
  assertAllWell(told)
  assert.equal((told.unary!.head as Record<string, string>)['x-echo-head'], 'here')
  assert.equal((told.unary!.trailers as Record<string, string>)['x-echo-trailer'], 'there')
  await eventually('both calls that were given up ended upstream', () => server.lines.length === 3)
  await eventually('all calls are over', () => calls.length === 124)
  assert.ok(calls.slice(0, 105).every(({ status }) => status === 'OK'))
})

test('grpcio calls grpc-js', { skip }, async (t) => {
  const server = await startEcho(t)
  const { port } = await startGrpcProxy(t, server.port)
  assertAllWell(await runClient(t, 'client', port))
  await eventually('the call that was given up ended upstream', () => server.cancelled.length > 0)
})

test('grpc-js calls grpcio', { skip }, async (t) => {
  const server = await startServer(t)
  const { port } = await startGrpcProxy(t, server.port)
  const client = new EchoClient(t, port)
  const { response, head, status } = await client.unary(pathOf('Unary'), Buffer.from('hello'))
  assert.equal(response?.toString(), 'hello')
  assert.deepEqual(head.get('x-echo-head'), ['here'])
  assert.deepEqual(status.metadata.get('x-echo-trailer'), ['there'])
  const parts = Array.from({ length: 50 }, (_, i) => Buffer.alloc(i, i))
  assert.equal((await client.collect(pathOf('Collect'), parts)).length, 1225)
  const { messages } = await outcomeOf(client.split(pathOf('Split'), Buffer.from('abc')))
  assert.deepEqual(messages.map(String), ['a', 'b', 'c'])
  const chat = client.chat(pathOf('Chat'))
  chat.write(Buffer.from('ping'))
  const [answer] = (await once(chat, 'data')) as [Buffer]
  assert.equal(answer.toString(), 'ping')
  chat.end()
  assertStatus((await outcomeOf(chat)).status, 'OK')
  assertStatus((await client.unary(pathOf('Fail'), Buffer.of(7))).status, 'PERMISSION_DENIED', /größer/)
  const health = await client.unary('/grpc.health.v1.Health/Check', Buffer.alloc(0))
  assert.ok(health.response!.equals(SERVING))
  const hang = client.split(pathOf('Hang'), Buffer.from('begin'))
  await once(hang, 'data')
  hang.cancel()
  await outcomeOf(hang)
  await eventually('grpcio hears of it', () => server.lines.includes('cancelled Hang'))
})

test('grpcio understands failures of ours', { skip }, async (t) => {
  const server = createServer()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port: closed } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  const { port } = await startGrpcProxy(t, closed)
  const { once: outcome } = await runClient(t, 'once', port)
  assert.equal(outcome?.status, 'UNAVAILABLE')
  assert.match(String(outcome?.details), /^connection_refused: .*ECONNREFUSED/)
})
