import assert from 'node:assert/strict'
import { createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { silentLogger } from '../../src/core/log.ts'
import { createTelemetry, type Telemetry } from '../../src/telemetry/telemetry.ts'
import type { OtlpOptions } from '../../src/telemetry/worker-protocol.ts'
import { Collector, until } from './collector.ts'
import { accountedFor, connection, finishedExchange } from './finished-exchange.ts'

const start = (endpoint: string, more: Partial<OtlpOptions> = {}): Telemetry =>
  createTelemetry({
    otlp: { endpoint, timeoutMs: 300, ...more },
    resource: { 'service.name': 'shop' },
    version: '0.0.1',
    scheduleMs: 10,
    logger: silentLogger,
  })

function finish(telemetry: Telemetry, count: number): void {
  const shared = connection()
  for (let i = 0; i < count; i++) telemetry.onFinish(finishedExchange({ connection: shared }))
}

const state = (telemetry: Telemetry) => (): string => JSON.stringify(telemetry.counters())

test('RESOURCE_EXHAUSTED is repeated only with RetryInfo, after the time it names', async () => {
  const collector = await new Collector().start()
  collector.answer = (request) =>
    request === 1 ? { code: 8, retryMs: 400 } : request === 2 ? { code: 0 } : { code: 8 }
  const telemetry = start(collector.endpoint)
  finish(telemetry, 3)
  await until(() => telemetry.counters().exported === 3, state(telemetry))
  const [first, second] = collector.requests
  assert.ok(second!.at - first!.at >= 395, `repeated after ${second!.at - first!.at} ms`)
  finish(telemetry, 4)
  await until(() => telemetry.counters().dropped.non_retryable === 4, state(telemetry))
  assert.equal(collector.requests.length, 3)
  assert.equal(accountedFor(telemetry.counters()), 7)
  await telemetry.close(500)
  collector.stop()
})

test('RetryInfo that names no time is no reason to repeat without a pause', async () => {
  const collector = await new Collector().start()
  collector.answer = () => ({ code: 14, retryMs: 0 })
  const telemetry = start(collector.endpoint)
  finish(telemetry, 1)
  await until(() => collector.requests.length >= 3, state(telemetry))
  const [first, second, third] = collector.requests.map(({ at }) => at)
  assert.ok(second! - first! >= 345, `repeated after ${second! - first!} ms`)
  assert.ok(third! - second! >= 555, `repeated again after ${third! - second!} ms`)
  await telemetry.close(100)
  collector.stop()
})

test('retryable codes are repeated, others dropped and counted', async () => {
  for (const code of [1, 4, 10, 11, 14, 15]) {
    const collector = await new Collector().start()
    collector.answer = (request) => (request === 1 ? { code } : { code: 0 })
    const telemetry = start(collector.endpoint, { timeoutMs: 5000 })
    finish(telemetry, 2)
    await until(
      () => telemetry.counters().exported === 2,
      () => `code ${code}: ${state(telemetry)()}`,
    )
    assert.equal(telemetry.counters().retries, 1)
    await telemetry.close(500)
    collector.stop()
  }
  for (const code of [2, 3, 7, 12, 13, 16]) {
    const collector = await new Collector().start()
    collector.answer = () => ({ code })
    const telemetry = start(collector.endpoint)
    finish(telemetry, 2)
    await until(
      () => telemetry.counters().dropped.non_retryable === 2,
      () => `code ${code}: ${state(telemetry)()}`,
    )
    assert.equal(collector.requests.length, 1)
    await telemetry.close(500)
    collector.stop()
  }
})

test('a partial success is counted and never repeated; a message without rejections is a warning', async () => {
  const collector = await new Collector().start()
  collector.answer = (request) =>
    request === 1 ? { code: 0, rejected: 2, message: 'too old' } : { code: 0, rejected: 0, message: 'use v2' }
  const warnings: string[] = []
  const telemetry = createTelemetry({
    otlp: { endpoint: collector.endpoint },
    resource: {},
    version: '0.0.1',
    scheduleMs: 10,
    logger: { ...silentLogger, warn: (fields) => warnings.push(String(fields.reason)) },
  })
  finish(telemetry, 5)
  await until(() => telemetry.counters().exported === 3, state(telemetry))
  assert.equal(telemetry.counters().dropped.rejected, 2)
  finish(telemetry, 1)
  await until(() => telemetry.counters().exported === 4 && warnings.length === 2, state(telemetry))
  assert.deepEqual(warnings, ['too old', 'use v2'])
  assert.equal(collector.requests.length, 2)
  assert.equal(accountedFor(telemetry.counters()), 6)
  await telemetry.close(500)
  collector.stop()
})

test('a hanging collector: bounded queue, a new channel, and delivery once it answers again', async () => {
  const collector = await new Collector().start()
  collector.answer = () => 'hang'
  const telemetry = start(collector.endpoint, { timeoutMs: 100, queueBytes: 100_000, batchSpans: 16 })
  for (let round = 0; round < 20; round++) {
    finish(telemetry, 50)
    await new Promise((resolve) => setTimeout(resolve, 12))
  }
  await until(() => telemetry.counters().dropped.queue_full > 0, state(telemetry))
  const during = telemetry.counters()
  assert.ok(during.queuedBytes <= 100_000, `${during.queuedBytes} bytes are held`)
  assert.equal(during.exported, 0)
  await until(() => telemetry.counters().channels > 1, state(telemetry), 15_000)
  collector.answer = () => ({ code: 0 })
  await until(() => telemetry.counters().queued === 0 && telemetry.counters().inRing === 0, state(telemetry), 25_000)
  const after = telemetry.counters()
  assert.ok(after.exported > 0)
  assert.equal(after.exported, collector.spans.length)
  assert.equal(accountedFor(after), 1000)
  assert.ok(collector.peers.size > 1, 'the new channel is a new connection')
  await telemetry.close(500)
  collector.stop()
})

test('an absent collector: shutdown keeps its deadline and every span is accounted for', async () => {
  const listener = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => listener.once('listening', resolve))
  const { port } = listener.address() as { port: number }
  await new Promise((resolve) => listener.close(resolve))
  const telemetry = start(`http://127.0.0.1:${port}`)
  finish(telemetry, 500)
  await until(() => telemetry.counters().exportFailures > 0, state(telemetry))
  const began = performance.now()
  await telemetry.close(300)
  assert.ok(performance.now() - began < 1500)
  const counts = telemetry.counters()
  assert.equal(counts.exported, 0)
  assert.equal(counts.dropped.shutdown, 500)
  assert.equal(counts.queued, 0)
  assert.equal(accountedFor(counts), 500)
})

test('a listener that never speaks HTTP/2 costs onFinish nothing', async () => {
  const sockets: Socket[] = []
  const listener = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => listener.once('listening', resolve))
  const telemetry = start(`http://127.0.0.1:${(listener.address() as { port: number }).port}`, { queueBytes: 65_536 })
  for (let i = 0; i < 20_000; i++) {
    telemetry.onFinish(finishedExchange())
    if (i % 500 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  await until(() => telemetry.counters().inRing === 0, state(telemetry))
  assert.ok(telemetry.counters().queuedBytes <= 65_536)
  await telemetry.close(200)
  assert.equal(accountedFor(telemetry.counters()), 20_000)
  for (const socket of sockets) socket.destroy()
  listener.close()
})

test('a collector that is killed and comes back gets the spans of the time between', async () => {
  const first = await new Collector().start()
  const telemetry = start(first.endpoint, { timeoutMs: 2000 })
  finish(telemetry, 5)
  await until(() => telemetry.counters().exported === 5, state(telemetry))
  first.stop()
  finish(telemetry, 7)
  await until(() => telemetry.counters().exportFailures > 0, state(telemetry))
  const second = await new Collector().start(first.port)
  await until(() => telemetry.counters().exported === 12, state(telemetry), 20_000)
  assert.equal(second.spans.length, 7)
  assert.equal(accountedFor(telemetry.counters()), 12)
  await telemetry.close(500)
  second.stop()
})

test('shutdown delivers what is still in the ring', async () => {
  const collector = await new Collector().start()
  const telemetry = createTelemetry({
    otlp: { endpoint: collector.endpoint },
    resource: {},
    version: '0.0.1',
    scheduleMs: 60_000,
    logger: silentLogger,
  })
  finish(telemetry, 250)
  await telemetry.close(5000)
  assert.equal(telemetry.counters().exported, 250)
  assert.equal(collector.spans.length, 250)
  telemetry.onFinish(finishedExchange())
  assert.equal(telemetry.counters().recorded, 250, 'nothing is promised after the close')
  collector.stop()
})
