/** Against ClickHouse's own engine in a Python process, where chdb is installed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freePort } from '../support/free-port.ts'
import { chdb, engineAt } from './chdb.ts'
import { requestOf, send } from './otlp-messages.ts'
import { ORIGIN_MS, rawSpan } from './raw-spans.ts'
import { running } from './running.ts'

test('rows in the columns of the exporter; a server that comes late gets all of it', {
  skip: chdb.missing,
}, async (t) => {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const faults: string[] = []
  const log = {
    debug: () => {},
    info: () => {},
    warn: () => {},
    error: (fields: object) => faults.push(JSON.stringify(fields)),
  }
  const it = await running({ clickhouse: { url, username: 'default', password: '' }, log })
  t.after(() => it.end())
  const attributes = { 'http.response.status_code': 503, text: "it's", list: ['a', 'b'], yes: true }
  const events = [
    {
      time_unix_nano: String(BigInt(ORIGIN_MS) * 1_000_000n + 7n),
      name: 'retry',
      attributes: [{ key: 'n', value: { int_value: 1 } }],
    },
  ]
  await send(
    it.grpcPort,
    requestOf([{ ...rawSpan({ trace: 'a1', span: 'b1', ms: 12.5, failed: true, attributes }), events }], 'shop'),
  )
  await send(it.grpcPort, requestOf([rawSpan({ trace: 'a1', span: 'b2', parent: 'b1', kind: 'client' })], 'shop'))
  // It is not there yet: the segment waits, and is still seen.
  const trace = await it.ask<{ spans: number }>(`hopscope/trace/${'a1'.padStart(32, '0')}`)
  assert.equal(trace.spans, 2)
  const { query } = await engineAt(t, port)
  await it.stored()
  assert.equal(await query('SELECT count() FROM otel_traces'), '2')
  const columns =
    'TraceId, SpanId, ParentSpanId, SpanName, SpanKind, ServiceName, Duration, StatusCode, StatusMessage, ScopeName'
  assert.deepEqual((await query(`SELECT ${columns} FROM otel_traces WHERE ParentSpanId = ''`)).split('\t'), [
    ...[
      'a1'.padStart(32, '0'),
      'b1'.padStart(16, '0'),
      '',
      'GET',
      'Server',
      'shop',
      '12500000',
      'Error',
      'broken',
      'hopscope',
    ],
  ])
  const maps =
    "SpanAttributes['http.response.status_code'], SpanAttributes['list'], SpanAttributes['yes'], ResourceAttributes['service.name']"
  assert.deepEqual((await query(`SELECT ${maps} FROM otel_traces WHERE ParentSpanId = ''`)).split('\t'), [
    '503',
    '["a","b"]',
    'true',
    'shop',
  ])
  assert.equal(await query("SELECT SpanAttributes['text'] = 'it''s' FROM otel_traces WHERE ParentSpanId = ''"), '1')
  const nanos = BigInt(ORIGIN_MS) * 1_000_000n
  assert.equal(
    await query("SELECT toUnixTimestamp64Nano(Timestamp) FROM otel_traces WHERE ParentSpanId = ''"),
    String(nanos),
  )
  const event = "Events.Name[1], Events.Attributes[1]['n'], toUnixTimestamp64Nano(Events.Timestamp[1])"
  assert.deepEqual((await query(`SELECT ${event} FROM otel_traces WHERE ParentSpanId = ''`)).split('\t'), [
    'retry',
    '1',
    String(nanos + 7n),
  ])
  // A row for each insert, of which there are two where the spans come in two segments.
  assert.equal(await query('SELECT uniqExact(TraceId) FROM otel_traces_trace_id_ts'), '1')
})

test('spans and events of any time arrive, those without one as well', { skip: chdb.missing }, async (t) => {
  const { options, query } = await engineAt(t, await freePort())
  // Long enough that the table keeps them: 80 years.
  const it = await running({ clickhouse: options, retentionMs: 80 * 365 * 86_400_000 })
  t.after(() => it.end())
  const times = Array.from({ length: 20 }, (_, digits) => 10n ** BigInt(digits) - 1n).filter((ns) => ns < 2n ** 63n)
  const spans = times.map((ns, i) => ({
    ...rawSpan({ trace: 'a1', span: (i + 1).toString(16) }),
    ...{ start_time_unix_nano: String(ns), end_time_unix_nano: String(ns + 1n) },
    events: [{ time_unix_nano: String(ns), name: 'e' }],
  }))
  await send(it.grpcPort, requestOf(spans))
  await it.stored()
  const nanos = 'toUnixTimestamp64Nano(Timestamp), toUnixTimestamp64Nano(Events.Timestamp[1])'
  assert.deepEqual(
    (await query(`SELECT ${nanos} FROM otel_traces ORDER BY Timestamp`)).split('\n'),
    times.map((ns) => `${ns}\t${ns}`),
  )
})
