import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requestOf, send } from './otlp-messages.ts'
import { nanos, rawSpan } from './raw-spans.ts'
import { running } from './running.ts'

const DAY_MS = 86_400_000

test('durations that cannot be leave the averages of metrics as they are', async (t) => {
  const it = await running()
  t.after(() => it.end())
  const call = (trace: string, client: object, server: object) => [
    requestOf([{ ...rawSpan({ trace, span: 'c1', kind: 'client' }), ...client }], 'web'),
    requestOf([{ ...rawSpan({ trace, span: 'b1', parent: 'c1', name: 'GET /' }), ...server }], 'db'),
  ]
  const lasting = (ms: number) => ({ start_time_unix_nano: nanos(0), end_time_unix_nano: nanos(ms) })
  const latest = String(2n ** 64n - 1n)
  for (const request of [
    ...call('a1', lasting(9), lasting(7)),
    ...call('a2', lasting(9), { start_time_unix_nano: '1', end_time_unix_nano: latest }),
    ...call('a3', lasting(8 * DAY_MS), lasting(8 * DAY_MS)),
    // It ends before it starts.
    ...call('a4', lasting(9), { start_time_unix_nano: nanos(5), end_time_unix_nano: nanos(0) }),
    ...call('a5', lasting(9), { start_time_unix_nano: latest, end_time_unix_nano: '1' }),
  ])
    await send(it.grpcPort, request)
  await it.stored()
  const text = await (await fetch(`http://127.0.0.1:${it.metricsPort}/metrics`)).text()
  const value = (series: string): number => {
    const line = text.split('\n').find((one) => one.startsWith(`${series} `))
    // An exemplar may stand behind it.
    return Number(line?.slice(series.length + 1).split(' ')[0])
  }
  const labels = 'service_name="db",span_name="GET /",span_kind="SPAN_KIND_SERVER",status_code="STATUS_CODE_UNSET"'
  assert.equal(value(`traces_span_metrics_calls_total{${labels}}`), 5)
  const durations = 'traces_span_metrics_duration_milliseconds'
  assert.equal(value(`${durations}_count{${labels}}`), 3)
  assert.equal(value(`${durations}_bucket{${labels},le="2"}`), 2)
  assert.equal(value(`${durations}_sum{${labels}}`), 7)
  const edge = 'client="web",server="db",connection_type=""'
  assert.equal(value(`traces_service_graph_request_total{${edge}}`), 5)
  assert.equal(value(`traces_service_graph_request_server_seconds_count{${edge}}`), 3)
  assert.equal(value(`traces_service_graph_request_server_seconds_sum{${edge}}`), 0.007)
  assert.equal(value(`traces_service_graph_request_client_seconds_count{${edge}}`), 4)
  assert.equal(value(`traces_service_graph_request_client_seconds_sum{${edge}}`), 0.036)
  // The server's of a2, both of a3.
  assert.equal(value('hopscope_aggregator_overlong_spans_total'), 3)
})

test('a duration of more than seven days is in no quantile and in no cell of the heat map', async (t) => {
  const it = await running()
  t.after(() => it.end())
  const lasting = (ms: number) => ({ start_time_unix_nano: nanos(0), end_time_unix_nano: nanos(ms) })
  const calls: [trace: string, clientMs: number, serverMs: number][] = [
    ['a1', 9, 7],
    ['a2', 9, 8 * DAY_MS],
    ['a3', 8 * DAY_MS, 7],
    ['a4', 8 * DAY_MS, 8 * DAY_MS],
  ]
  for (const [trace, clientMs, serverMs] of calls) {
    await send(
      it.grpcPort,
      requestOf([{ ...rawSpan({ trace, span: 'c1', kind: 'client' }), ...lasting(clientMs) }], 'web'),
    )
    await send(
      it.grpcPort,
      requestOf([{ ...rawSpan({ trace, span: 'b1', parent: 'c1' }), ...lasting(serverMs) }], 'db'),
    )
  }
  await it.stored()

  interface Quantiles {
    readonly calls: number
    readonly p50Us: number
    readonly p99Us: number
  }
  const near = (found: number, us: number) =>
    assert.ok(Math.abs(found - us) <= us * 0.1, `${found} µs where about ${us} are meant`)
  const { services } = await it.ask<{ services: (Quantiles & { service: string })[] }>('hopscope/services')
  const db = services.find(({ service }) => service === 'db')!
  assert.equal(db.calls, 4)
  near(db.p50Us, 7000)
  near(db.p99Us, 7000)

  type Edge = Quantiles & { relation: string; networkP50Us: number; networkP99Us: number }
  const { edges } = await it.ask<{ edges: Edge[] }>('hopscope/map')
  const edge = edges.find(({ relation }) => relation === 'call')!
  assert.equal(edge.calls, 4)
  near(edge.p50Us, 9000)
  near(edge.p99Us, 9000)
  near(edge.networkP50Us, 2000)
  near(edge.networkP99Us, 2000)

  const { cells } = await it.ask<{ cells: { count: number }[] }>('hopscope/heatmap?columns=1')
  assert.deepEqual(
    cells.map(({ count }) => count),
    [2],
  )
})
