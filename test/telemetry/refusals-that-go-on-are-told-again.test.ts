import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { SharedCounters } from '../../src/telemetry/counters.ts'
import { OtlpChannel } from '../../src/telemetry/otlp-channel.ts'
import { OtlpExporter } from '../../src/telemetry/otlp-export.ts'
import { Collector, until } from './collector.ts'

/** An exporter of its own to a real collector; minutes pass when told. */
async function exporting(t: TestContext) {
  let passedMs = 0
  const now = performance.now.bind(performance)
  t.mock.method(performance, 'now', () => now() + passedMs)
  const collector = await new Collector().start()
  const warnings: [message: string, fields: Readonly<Record<string, unknown>>][] = []
  const target = { endpoint: collector.endpoint, caPem: undefined, certPem: undefined, keyPem: undefined }
  const exporter = new OtlpExporter({
    ...{ timeoutMs: 5000, queueBytes: 1 << 20, maxInflight: 1, maxAgeMs: 600_000, secondChance: false },
    ...{ counters: new SharedCounters(), budget: { heldBytes: 0 }, release: () => {} },
    openChannel: () => new OtlpChannel({ ...target, headers: {}, compression: 'none', version: '1' }),
    warn: (message, fields) => void warnings.push([message, fields]),
  })
  t.after(async () => {
    await exporter.close(100)
    collector.stop()
  })
  return {
    ...{ collector, warnings },
    pass: (ms: number) => {
      passedMs += ms
    },
    send: async (spans: number) => {
      exporter.add({ bytes: Buffer.alloc(0), spans, heldBytes: 0, buffer: undefined, marks: undefined })
      await until(
        () => exporter.idle,
        () => 'an answer',
      )
    },
  }
}

const REFUSED = { grpcStatus: 16, reason: 'as the test asked' }

test('a collector that goes on refusing spans is told of once a minute, with what was lost since', async (t) => {
  const { collector, warnings, pass, send } = await exporting(t)
  collector.answer = () => ({ code: 16 })
  for (let i = 0; i < 3; i++) await send(10)
  pass(59_000)
  await send(10)
  assert.deepEqual(warnings.splice(0), [['the collector does not take spans', { ...REFUSED, lostSpans: 10 }]])
  pass(1000)
  await send(10)
  await send(7)
  assert.deepEqual(warnings.splice(0), [['the collector does not take spans', { ...REFUSED, lostSpans: 40 }]])
  collector.answer = () => ({ code: 0 })
  await send(10)
  await send(10)
  assert.deepEqual(warnings, [['the collector takes spans again', { lostSpans: 7 }]])
})

test('a collector that refuses every other export fills no log', async (t) => {
  const { collector, warnings, pass, send } = await exporting(t)
  collector.answer = (request) => (request % 2 === 1 ? { code: 16 } : { code: 0 })
  for (let i = 0; i < 20; i++) await send(1)
  assert.deepEqual(warnings.splice(0), [
    ['the collector does not take spans', { ...REFUSED, lostSpans: 1 }],
    ['the collector takes spans again', {}],
  ])
  pass(60_000)
  await send(1)
  assert.deepEqual(warnings, [['the collector does not take spans', { ...REFUSED, lostSpans: 10 }]])
})
