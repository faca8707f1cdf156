import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SharedCounters } from '../../src/telemetry/counters.ts'
import { openRing, RingWriter } from '../../src/telemetry/ring.ts'
import { TelemetryThread } from '../../src/telemetry/telemetry-thread.ts'
import { until } from './collector.ts'

test('a telemetry thread that dies is replaced and told nothing of what it knew', async () => {
  const memory = openRing(65_536)
  const ring = new RingWriter(memory)
  const counters = new SharedCounters()
  const restarts: number[] = []
  const errors: number[] = []
  const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => errors.push(performance.now()) }
  const thread = new TelemetryThread({
    worker: {
      ring: memory.shared,
      counters: counters.shared,
      // Not an address: the thread fails as it starts.
      otlp: { endpoint: 'no url' },
      resource: {},
      version: '0',
      scheduleMs: 10,
      accessLogFd: 1,
      redactQuery: [],
      originUs: 0,
    },
    counters,
    ring,
    logger,
    onRestart: () => restarts.push(performance.now()),
  })
  thread.start()
  // The pause before a replacement must not be what keeps the test alive.
  const alive = setInterval(() => {}, 50)
  await until(
    () => restarts.length >= 2 && errors.length >= 2,
    () => `${restarts.length} restarts, ${errors.length} errors`,
  )
  const laterMs = restarts[1]! - errors[0]!
  assert.ok(laterMs < 700, `what was written for ${laterMs} ms after the end refers to what nobody knows`)
  clearInterval(alive)
  await thread.close(100)
})
