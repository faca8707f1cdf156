import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../../src/core/log.ts'
import { Rendezvous, slotOfTrace } from '../../src/core/rendezvous.ts'
import type { Exchange } from '../../src/exchange/exchange.ts'
import { createTelemetry, type Telemetry } from '../../src/telemetry/telemetry.ts'
import type { OtlpOptions } from '../../src/telemetry/worker-protocol.ts'
import { Collector, until } from './collector.ts'
import { accountedFor, connection, finishedExchange } from './finished-exchange.ts'

const startThree = (): Promise<Collector[]> => Promise.all([1, 2, 3].map(() => new Collector().start()))

function start(collectors: readonly Collector[], more: Partial<OtlpOptions> = {}): Telemetry {
  const endpoints = collectors.map(({ endpoint }) => endpoint)
  return createTelemetry({
    otlp: { endpoint: endpoints[0]!, endpoints, timeoutMs: 2000, batchSpans: 64, ...more },
    resource: { 'service.name': 'shop' },
    version: '0.0.1',
    scheduleMs: 20,
    logger: silentLogger,
  })
}

function finish(telemetry: Telemetry, count: number): Exchange[] {
  const shared = connection()
  return Array.from({ length: count }, () => {
    const exchange = finishedExchange({ connection: shared })
    telemetry.onFinish(exchange)
    return exchange
  })
}

const state = (telemetry: Telemetry) => (): string =>
  JSON.stringify([telemetry.counters(), telemetry.receivers(), telemetry.counters().dropped])

/** Index of the collector that takes a trace at `rank`. */
function takerOf(collectors: readonly Collector[]): (traceId: string, rank?: number) => Collector {
  const order = new Rendezvous(collectors.map(({ port }) => `127.0.0.1:${port}`))
  return (traceId, rank = 0) => {
    const name = order.names[order.at(slotOfTrace(traceId), rank)]!
    return collectors.find(({ port }) => name.endsWith(`:${port}`))!
  }
}

test('each trace has its owner, known to all senders, and each owner its share', async () => {
  const collectors = await startThree()
  // The order of the list says nothing.
  const senders = [start(collectors), start([...collectors].reverse())]
  for (const sender of senders) finish(sender, 600)
  for (const sender of senders) await until(() => sender.counters().exported === 600, state(sender))
  const taker = takerOf(collectors)
  for (const collector of collectors) {
    assert.ok(collector.spans.length > 250, `${collector.spans.length} of 1200`)
    for (const { traceId } of collector.spans) assert.equal(taker(traceId), collector)
  }
  await until(() => senders[0]!.receivers().reduce((sum, { spans }) => sum + spans, 0) === 600, state(senders[0]!))
  const { text } = await senders[0]!.metrics.scrape()
  for (const { port } of collectors) {
    assert.match(text, new RegExp(`hopscope_exporter_receiver_up\\{[^}]*receiver="127.0.0.1:${port}"[^}]*\\} 1\\n`))
  }
  for (const sender of senders) await sender.close(500)
  for (const collector of collectors) collector.stop()
})

test('one dies with exports in flight: the next of each trace has them at once, and it is taken back when it returns', async () => {
  const collectors = await startThree()
  const taker = takerOf(collectors)
  const dying = collectors[1]!
  const telemetry = start(collectors)
  finish(telemetry, 30)
  await until(() => telemetry.counters().exported === 30, state(telemetry))
  const before = dying.spans.length
  dying.answer = () => 'hang'
  const given = finish(telemetry, 3000)
  await until(() => dying.requests.length > 3, state(telemetry))
  const died = performance.now()
  dying.stop()
  await until(() => telemetry.counters().exported === 3030, state(telemetry))
  const tookMs = performance.now() - died
  assert.ok(tookMs < 1500, `${tookMs} ms`)
  assert.equal(dying.spans.length, before)
  const have = new Map(collectors.map((one) => [one, new Set(one.spans.map(({ traceId }) => traceId))]))
  let moved = 0
  for (const { trace } of given) {
    const { traceId } = trace!
    const owner = taker(traceId)
    if (owner === dying) moved++
    assert.ok(have.get(owner === dying ? taker(traceId, 1) : owner)!.has(traceId))
  }
  assert.ok(moved > 500)
  assert.equal(accountedFor(telemetry.counters()), 3030)
  await until(() => telemetry.receivers().some(({ up, moved: gone }) => !up && gone > 0), state(telemetry))

  dying.answer = () => ({ code: 0 })
  await dying.start(dying.port)
  await until(() => telemetry.receivers().every(({ up }) => up), state(telemetry))
  const again = finish(telemetry, 300)
  await until(() => telemetry.counters().exported === 3330, state(telemetry))
  const own = again.filter(({ trace }) => taker(trace!.traceId) === dying)
  assert.equal(dying.spans.length, before + own.length)
  await telemetry.close(500)
  for (const collector of collectors) collector.stop()
})

test('one that hangs: others have its spans after one timeout, and it is not asked again with each batch', async () => {
  const collectors = await startThree()
  const hanging = collectors[0]!
  hanging.answer = () => 'hang'
  const telemetry = start(collectors, { timeoutMs: 150, maxInflight: 2 })
  finish(telemetry, 2000)
  await until(() => telemetry.counters().exported === 2000, state(telemetry))
  assert.ok(hanging.requests.length <= 8, `${hanging.requests.length} requests`)
  await telemetry.close(300)
  for (const collector of collectors) collector.stop()
})

test('one that asks for patience keeps its spans', async () => {
  const collectors = await startThree()
  const busy = collectors[2]!
  busy.answer = (request) => (request < 4 ? { code: 14, retryMs: 120 } : { code: 0 })
  const telemetry = start(collectors)
  finish(telemetry, 900)
  await until(() => telemetry.counters().exported === 900, state(telemetry))
  const taker = takerOf(collectors)
  for (const collector of collectors) {
    for (const { traceId } of collector.spans) assert.equal(taker(traceId), collector)
  }
  await telemetry.close(300)
  for (const collector of collectors) collector.stop()
})

test('one that refuses once, as it does where it ends an old connection, keeps its spans', async () => {
  const collectors = await startThree()
  for (const collector of collectors) collector.answer = (request) => ({ code: request % 3 === 0 ? 14 : 0 })
  const telemetry = start(collectors, { maxInflight: 1 })
  finish(telemetry, 900)
  await until(() => telemetry.counters().exported === 900, state(telemetry))
  assert.ok(telemetry.counters().exportFailures > 2)
  const taker = takerOf(collectors)
  for (const collector of collectors) {
    for (const { traceId } of collector.spans) assert.equal(taker(traceId), collector)
  }
  await telemetry.close(300)
  for (const collector of collectors) collector.stop()
})

test('none is there: spans wait, and go to the first that comes', async () => {
  const collectors = await startThree()
  for (const collector of collectors) collector.stop()
  const telemetry = start(collectors)
  finish(telemetry, 500)
  await until(
    () => telemetry.receivers().every(({ up }) => !up) && telemetry.counters().queued === 500,
    state(telemetry),
  )
  await collectors[1]!.start(collectors[1]!.port)
  await until(() => telemetry.counters().exported === 500, state(telemetry))
  assert.equal(collectors[1]!.spans.length, 500)
  assert.equal(telemetry.counters().queuedBytes, 0)
  assert.equal(telemetry.counters().inflightExports, 0)
  await telemetry.close(300)
  collectors[1]!.stop()
})

test('at the end what one cannot take goes to the others', async () => {
  const collectors = await startThree()
  const telemetry = start(collectors)
  finish(telemetry, 30)
  await until(() => telemetry.counters().exported === 30, state(telemetry))
  collectors[0]!.stop()
  finish(telemetry, 600)
  await telemetry.close(3000)
  assert.equal(telemetry.counters().exported, 630, state(telemetry)())
  for (const collector of collectors) collector.stop()
})
