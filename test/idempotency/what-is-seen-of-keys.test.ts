import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explainCode } from '../../src/cli/explain.ts'
import { ERROR_CODES } from '../../src/core/errors.ts'
import { startInstance } from '../process/instance.ts'
import { Peer } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { eventually } from '../support/proxy.ts'
import { Collector } from '../telemetry/collector.ts'
import { post } from './support.ts'

const KEY = 'sEcReT-kEy-7f3a'
const TOKEN = 'sEcReT-tOkEn'

test('outcomes are counted, logged and traced; keys and credentials never are', async (t) => {
  const origin = await Origin.answering(() => ok('x'))
  const collector = await new Collector().start()
  const proxy = await startInstance(`http://127.0.0.1:${origin.port}`, [
    ...['--idempotency-store', 'memory', '--access-log', 'all', '--log-level', 'debug'],
    ...['--otlp-endpoint', collector.endpoint, '--otlp-schedule-ms', '50'],
  ])
  t.after(async () => {
    await proxy.stop('SIGKILL')
    collector.stop()
    await origin.close()
  })
  const trace = '0af7651916cd43dd8448eb211c80319c'
  const authorization = `Bearer ${TOKEN}`
  const asked = [
    { key: KEY, headers: `traceparent: 00-${trace}-b7ad6b7169203331-03\r\n` },
    { key: KEY },
    { key: KEY, body: 'other' },
    { key: `${KEY} bad` },
    {},
  ]
  const statuses: number[] = []
  for (const one of asked) {
    const client = await Peer.connect(proxy.port)
    client.send(post({ authorization, ...one }))
    statuses.push((await client.message()).status)
    client.socket.destroy()
  }
  assert.deepEqual(statuses, [200, 200, 422, 400, 200])

  const metrics = await (await fetch(`http://127.0.0.1:${proxy.metricsPort}/metrics`)).text()
  for (const outcome of ['first', 'replay', 'mismatch', 'refused']) {
    assert.match(metrics, new RegExp(`^hopscope_idempotency_requests_total\\{outcome="${outcome}"\\} 1$`, 'm'))
  }
  assert.match(metrics, /^hopscope_idempotency_store_duration_seconds_count\{operation="claim",outcome="ok"\} 3$/m)
  assert.match(metrics, /^hopscope_errors_total\{code="idempotency_key_reused".*\} 1$/m)

  const admin = await (await fetch(`http://127.0.0.1:${proxy.adminPort}/idempotency`)).text()
  const seen = JSON.parse(admin) as { store: string; records: { counts: object }; outcomes: object; waiting: number }
  assert.equal(seen.store, 'memory')
  assert.deepEqual(seen.records.counts, { completed: 1 })
  assert.deepEqual(seen.outcomes, { first: 1, replay: 1, mismatch: 1, refused: 1 })
  assert.equal(seen.waiting, 0)

  const exchanges = await (await fetch(`http://127.0.0.1:${proxy.adminPort}/exchanges`)).text()
  await eventually('log lines', () => proxy.accessLog.length === 5)
  await eventually('spans', () => collector.spans.length === 5)
  const logged = proxy.accessLog.map((line) => (JSON.parse(line) as { idempotency?: string }).idempotency)
  assert.deepEqual(logged, ['first', 'replay', 'mismatch', 'refused', undefined])
  const [first, replay, , , plain] = collector.spans
  assert.equal(first!.attributes['hopscope.idempotency.outcome'], 'first')
  assert.equal(replay!.attributes['hopscope.idempotency.outcome'], 'replay')
  assert.equal(replay!.attributes['hopscope.upstream.address'], undefined, 'no upstream was asked')
  assert.notEqual(replay!.traceId, trace)
  assert.deepEqual(replay!.links, [
    { traceId: trace, spanId: first!.spanId, attributes: { 'idempotency.relation': 'original' } },
  ])
  assert.equal(plain!.attributes['hopscope.idempotency.outcome'], undefined)

  const told = [metrics, admin, exchanges, ...proxy.accessLog, ...proxy.lines, text(collector.spans)].join('\n')
  assert.ok(!told.includes('sEcReT'), told.slice(Math.max(0, told.indexOf('sEcReT') - 200)).slice(0, 400))
})

/** Spans have big integers, which JSON does not know. */
const text = (value: unknown): string =>
  JSON.stringify(value, (_key, one) => (typeof one === 'bigint' ? String(one) : one))

test('every problem type is explained', () => {
  const codes = Object.keys(ERROR_CODES).filter((code) => code.startsWith('idempotency_'))
  assert.ok(codes.length >= 10)
  for (const code of codes) {
    assert.match(explainCode(code) ?? '', /Means {3}\S.{40,}\n {2}Check {3}\S.{40,}/, code)
  }
})
