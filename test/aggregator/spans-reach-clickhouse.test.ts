/** Against ClickHouse's own engine in a Python process, where chdb is installed. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { requestOf, send } from './otlp-messages.ts'
import { pythonWith } from './programs.ts'
import { ORIGIN_MS, rawSpan } from './raw-spans.ts'
import { running } from './running.ts'

const python = pythonWith('chdb')

async function engineAt(port: number): Promise<ChildProcess> {
  const child = spawn(python.command, ['test/aggregator/chdb-server.py', String(port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout!, 'data')
  return child
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

test('rows in the columns of the exporter; a server that comes late gets all of it', {
  skip: python.missing,
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
  const engine = await engineAt(port)
  t.after(() => engine.kill('SIGKILL'))
  await it.stored()
  const query = async (sql: string): Promise<string> => {
    const answer = await fetch(`${url}/?query=${encodeURIComponent(sql)}`, { method: 'POST' })
    const text = await answer.text()
    assert.equal(answer.status, 200, text)
    return text.trim()
  }
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
  assert.equal(await query('SELECT count() FROM otel_traces_trace_id_ts'), '1')
})
