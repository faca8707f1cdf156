import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../../src/core/log.ts'
import { fakeClickHouse } from './fake-clickhouse.ts'
import { requestOf, send } from './otlp-messages.ts'
import { nanos, rawSpan } from './raw-spans.ts'
import { running, until } from './running.ts'

const NO_PARSE =
  'Code: 27. DB::Exception: Cannot parse input: parsed text: "my secret". (CANNOT_PARSE_INPUT_ASSERTION_FAILED) (version 25.3.1.1)'
const PARTS = 'Code: 252. DB::Exception: Too many parts (3001 with average size of 1.00 KiB) in table. (TOO_MANY_PARTS)'
const DAYS =
  "Code: 252. DB::Exception: Too many partitions for single INSERT block (more than 100). The limit is controlled by 'max_partitions_per_insert_block' setting. (TOO_MANY_PARTS)"

const names = (rows: readonly { readonly SpanName: string }[]): string[] => rows.map(({ SpanName }) => SpanName)
const spans = (list: readonly string[]) =>
  list.map((name, i) => rawSpan({ trace: 'a1', span: (i + 1).toString(16), name, attributes: { text: 'my secret' } }))

test('a span that ClickHouse refuses for good is left out, counted and told of once', async (t) => {
  const server = await fakeClickHouse(t, (rows) => (rows.some((row) => row.SpanName === 'bad') ? NO_PARSE : undefined))
  const said: unknown[][] = []
  const note = (...words: unknown[]): void => void said.push(words)
  const it = await running({ clickhouse: server.options, log: { ...silentLogger, warn: note, error: note } })
  t.after(() => it.end())
  await send(it.grpcPort, requestOf(spans(['a', 'b', 'bad', 'c', 'bad', 'd'])))
  await it.stored()
  await send(it.grpcPort, requestOf([rawSpan({ trace: 'a2', span: 'b2', name: 'behind' })]))
  await it.stored()
  assert.deepEqual(names(server.rows), ['a', 'b', 'c', 'd', 'behind'])
  const metrics = await (await fetch(`http://127.0.0.1:${it.metricsPort}/metrics`)).text()
  assert.match(
    metrics,
    /hopscope_aggregator_clickhouse_refused_spans_total\{reason="cannot_parse_input_assertion_failed"\} 2\n/,
  )
  assert.equal(said.length, 1, JSON.stringify(said))
  assert.deepEqual(said[0]![0], {
    ...{ reason: 'cannot_parse_input_assertion_failed' },
    ...{ traceId: 'a1'.padStart(32, '0'), spanId: '3'.padStart(16, '0') },
  })
  // Our own files have all of it.
  assert.equal((await it.ask<{ spans: number }>(`hopscope/trace/${'a1'.padStart(32, '0')}`)).spans, 6)
})

test('a server that is overloaded amid the search gets the rest later, and nothing twice', async (t) => {
  const server = await fakeClickHouse(t, (rows, inserts) => {
    if (rows.some((row) => row.SpanName === 'bad')) return NO_PARSE
    return inserts === 4 || inserts === 5 ? PARTS : undefined
  })
  const it = await running({ clickhouse: server.options })
  t.after(() => it.end())
  await send(it.grpcPort, requestOf(spans(['a', 'b', 'c', 'bad', 'd', 'e', 'f', 'g'])))
  await it.stored()
  assert.deepEqual(names(server.rows), ['a', 'b', 'c', 'd', 'e', 'f', 'g'])
  assert.ok(server.tokens.length > 9)
  const metrics = await (await fetch(`http://127.0.0.1:${it.metricsPort}/metrics`)).text()
  assert.match(metrics, /clickhouse_refused_spans_total\{reason="cannot_parse_input_assertion_failed"\} 1\n/)
})

test('a table that takes nothing loses nothing, and its words are not passed on', async (t) => {
  let mended = false
  const server = await fakeClickHouse(t, (rows) =>
    mended ? undefined : NO_PARSE.replace('my secret', names(rows).join()),
  )
  const faults: string[] = []
  const log = { ...silentLogger, error: (fields: object) => void faults.push(JSON.stringify(fields)) }
  const it = await running({ clickhouse: server.options, log })
  t.after(() => it.end())
  const all = ['secret 1', 'secret 2', 'secret 3']
  await send(it.grpcPort, requestOf(spans(all)))
  await until('it is told', () => faults.length > 0)
  assert.match(faults[0]!, /refuses every span/)
  assert.doesNotMatch(faults[0]!, /secret/)
  assert.equal(server.rows.length, 0)
  mended = true
  await it.stored()
  assert.deepEqual(names(server.rows), all)
})

test('spans of more days than an insert may have do not stop what is behind them', async (t) => {
  const days = (rows: readonly { readonly Timestamp: string }[]): number =>
    new Set(rows.map(({ Timestamp }) => Math.floor(Number(Timestamp) / 86_400))).size
  const server = await fakeClickHouse(t, (rows) => (days(rows) > 100 ? DAYS : undefined))
  const it = await running({ clickhouse: server.options })
  t.after(() => it.end())
  const scattered = spans(Array.from({ length: 120 }, (_, i) => `day ${i}`)).map((span, i) => {
    const time = nanos(-i * 86_400_000)
    return { ...span, start_time_unix_nano: time, end_time_unix_nano: time }
  })
  await send(it.grpcPort, requestOf(scattered))
  await it.stored()
  assert.equal(server.rows.length, 120)
})
