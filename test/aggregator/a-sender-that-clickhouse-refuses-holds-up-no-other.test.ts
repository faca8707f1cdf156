/** Against ClickHouse's own engine in a Python process, where chdb is installed. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { silentLogger } from '../../src/core/log.ts'
import { freePort } from '../support/free-port.ts'
import { chdb, engineAt } from './chdb.ts'
import { requestOf, send } from './otlp-messages.ts'
import { rawSpan } from './raw-spans.ts'
import { type RunningAggregator, running, until } from './running.ts'

/** The table as the aggregator makes it, with what an operator has changed. */
const table = (change: string): string => `CREATE TABLE otel_traces (
  Timestamp DateTime64(9), TraceId String, SpanId String, ParentSpanId String, TraceState String,
  SpanName LowCardinality(String), SpanKind LowCardinality(String), ServiceName LowCardinality(String),
  ResourceAttributes Map(LowCardinality(String), String), ScopeName String, ScopeVersion String,
  SpanAttributes Map(LowCardinality(String), String), Duration UInt64, StatusCode LowCardinality(String), StatusMessage String,
  Events Nested (Timestamp DateTime64(9), Name LowCardinality(String), Attributes Map(LowCardinality(String), String)),
  Links Nested (TraceId String, SpanId String, TraceState String, Attributes Map(LowCardinality(String), String))${change}
) ENGINE = MergeTree ORDER BY Timestamp`

async function aggregatorOf(t: TestContext, sql: string) {
  const engine = await engineAt(t, await freePort())
  await engine.query(sql)
  const faults: string[] = []
  const log = { ...silentLogger, error: (fields: object) => void faults.push(JSON.stringify(fields)) }
  const it = await running({ clickhouse: engine.options, log })
  t.after(() => it.end())
  const names = (): Promise<string> => engine.query('SELECT SpanName FROM otel_traces ORDER BY SpanName')
  return { engine, it, faults, names }
}

let sent = 0

async function sendAll(it: RunningAggregator, names: readonly string[], service: string): Promise<void> {
  const spans = names.map((name) => {
    return rawSpan({ trace: 'a1', span: (++sent).toString(16), name, attributes: { text: 'any' } })
  })
  await send(it.grpcPort, requestOf(spans, service))
}

const upTo = (count: number): string[] => Array.from({ length: count }, (_, i) => `n${i}`)

async function refusedIn(it: RunningAggregator): Promise<string | undefined> {
  const metrics = await (await fetch(`http://127.0.0.1:${it.metricsPort}/metrics`)).text()
  return /clickhouse_refused_spans_total(\{reason=.*)/.exec(metrics)?.[1]
}

test('a sender whose spans are all refused for what they hold is left out and counted, and the next one arrives', {
  skip: chdb.missing,
}, async (t) => {
  const rule = ", CONSTRAINT services CHECK ServiceName != 'web'"
  const { it, faults, names } = await aggregatorOf(t, table(rule))
  await sendAll(it, upTo(40), 'web')
  await it.stored()
  await sendAll(it, upTo(40), 'web')
  await it.stored()
  await sendAll(it, ['last'], 'shop')
  await it.stored()
  assert.deepEqual([await names(), faults], ['last', []])
  assert.equal(await refusedIn(it), '{reason="violated_constraint"} 80')
})

const WRONG: Readonly<Record<string, readonly [string, string]>> = {
  'times without a fraction': ['Timestamp DateTime64(9), TraceId', 'Timestamp DateTime, TraceId'],
  'ids of half their length': ['TraceId String, SpanId String, P', 'TraceId FixedString(16), SpanId String, P'],
  'kinds by another name': ['SpanKind LowCardinality(String)', "SpanKind Enum8('SPAN_KIND_SERVER' = 2)"],
  'attributes that are numbers': [
    'SpanAttributes Map(LowCardinality(String), String)',
    'SpanAttributes Map(String, UInt8)',
  ],
}

for (const [name, [right, wrong]] of Object.entries(WRONG)) {
  test(`a table with ${name} loses nothing, however few the spans are`, { skip: chdb.missing }, async (t) => {
    const { engine, it, faults, names } = await aggregatorOf(t, table('').replace(right, wrong))
    await sendAll(it, ['a', 'b'], 'web')
    await until('it is told', () => faults.length > 0)
    assert.match(faults[0]!, /ClickHouse refuses every span, they wait/)
    await engine.query('DROP TABLE otel_traces')
    await engine.query(table(''))
    await it.stored()
    assert.deepEqual([await names(), await refusedIn(it)], ['a\nb', undefined])
  })
}

test('columns that an operator has added are no fault of the table', { skip: chdb.missing }, async (t) => {
  const more =
    ", `it\\`s` String DEFAULT 'none', Day Date MATERIALIZED toDate(Timestamp), Code String ALIAS StatusCode, " +
    "Zone Enum8('a''b' = 1, 'c' = 2), CONSTRAINT services CHECK ServiceName != 'web'"
  const { it, faults, names } = await aggregatorOf(t, table(more))
  await sendAll(it, upTo(2), 'web')
  await sendAll(it, ['last'], 'shop')
  await it.stored()
  assert.deepEqual([await names(), faults], ['last', []])
  assert.equal(await refusedIn(it), '{reason="violated_constraint"} 2')
})
