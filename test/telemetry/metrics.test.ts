import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ProxyError } from '../../src/core/errors.ts'
import { silentLogger } from '../../src/core/log.ts'
import { readCounts, SharedCounters } from '../../src/telemetry/counters.ts'
import { Metrics, mergeScrapes } from '../../src/telemetry/metrics.ts'
import { ProxyHealth } from '../../src/telemetry/proxy-health.ts'
import { createTelemetry } from '../../src/telemetry/telemetry.ts'
import { connection, finishedExchange } from './finished-exchange.ts'

const create = () => createTelemetry({ resource: {}, version: '0.0.1', logger: silentLogger })

/** Samples of a scrape by their whole name with labels. */
async function scrape(telemetry: ReturnType<typeof create>): Promise<Map<string, number>> {
  const { text, contentType } = await telemetry.metrics.scrape()
  assert.match(contentType, /^text\/plain; version=0\.0\.4/)
  const samples = new Map<string, number>()
  for (const line of text.split('\n')) {
    const at = line.lastIndexOf(' ')
    if (line !== '' && !line.startsWith('#')) samples.set(line.slice(0, at), Number(line.slice(at + 1)))
  }
  return samples
}

test('request and phase durations, errors and retries are counted under their names', async () => {
  const telemetry = create()
  telemetry.onFinish(finishedExchange({ durationUs: 30_000 }))
  telemetry.onFinish(finishedExchange({ durationUs: 5000 }))
  const failed = finishedExchange({ connection: connection('outbound'), status: 504, method: 'BREW' })
  failed.error = new ProxyError('connect_timeout', 'connect')
  failed.attempts = 3
  telemetry.onFinish(failed)
  const samples = await scrape(telemetry)
  const server =
    'http_request_method="GET",url_scheme="http",network_protocol_version="1.1",http_response_status_code="200"'
  const name = 'http_server_request_duration_seconds'
  assert.equal(samples.get(`${name}_count{${server}}`), 2)
  assert.ok(Math.abs(samples.get(`${name}_sum{${server}}`)! - 0.035) < 1e-9)
  assert.equal(samples.get(`${name}_bucket{${server},le="0.005"}`), 1, 'a bound belongs to its bucket')
  assert.equal(samples.get(`${name}_bucket{${server},le="0.025"}`), 1)
  assert.equal(samples.get(`${name}_bucket{${server},le="0.05"}`), 2)
  assert.equal(samples.get(`${name}_bucket{${server},le="+Inf"}`), 2)
  const client =
    'http_request_method="_OTHER",url_scheme="http",network_protocol_version="1.1",http_response_status_code="504",error_type="connect_timeout"'
  assert.equal(samples.get(`http_client_request_duration_seconds_count{${client}}`), 1)
  assert.equal(samples.get('hopscope_errors_total{code="connect_timeout",phase="connect",source="upstream"}'), 1)
  assert.equal(samples.get('hopscope_retries_total'), 2)
  assert.equal(samples.get('hopscope_phase_duration_seconds_count{phase="wait"}'), 3)
  assert.equal(samples.get('hopscope_phase_duration_seconds_count{phase="dns"}'), 0)
})

test('a failure is in the label wherever it is on the span', async () => {
  const telemetry = create()
  for (const [direction, status, code] of [
    ['edge', 200, 'upstream_aborted'],
    ['edge', 503, 'client_closed'],
    ['edge', 200, 'client_closed'],
    ['outbound', 200, 'client_closed'],
    ['outbound', 200, 'response_idle_timeout'],
  ] as const) {
    const x = finishedExchange({ connection: connection(direction), status })
    x.error = new ProxyError(code, 'receive')
    telemetry.onFinish(x)
  }
  const samples = [...(await scrape(telemetry)).keys()]
  const ofKind = (kind: string) =>
    samples.flatMap((name) => {
      if (!name.startsWith(`http_${kind}_request_duration_seconds_count`)) return []
      return `${/code="(\d+)"/.exec(name)![1]} ${/error_type="(\w+)"/.exec(name)?.[1] ?? ''}`
    })
  assert.deepEqual(ofKind('server').sort(), ['200 ', '200 upstream_aborted', '503 503'])
  assert.deepEqual(ofKind('client').sort(), ['200 ', '200 response_idle_timeout'])
})

test('failures that are not in a label share a series: none is there twice', async () => {
  const telemetry = create()
  for (const code of ['client_closed', 'bad_chunk', undefined] as const) {
    const x = finishedExchange({ status: 400 })
    if (code !== undefined) x.error = new ProxyError(code, 'send')
    telemetry.onFinish(x)
  }
  const lines = (await telemetry.metrics.scrape()).text.split('\n')
  const counts = lines.filter((line) => line.startsWith('http_server_request_duration_seconds_count'))
  assert.deepEqual(
    counts.map((line) => line.split(' ').at(-1)),
    ['3'],
  )
})

test('spans that were queued when the telemetry thread ended count as processed as before', async () => {
  const counters = new SharedCounters()
  const metrics = new Metrics(() => readCounts(counters))
  const processed = async (): Promise<string | undefined> =>
    /^otel_sdk_processor_span_processed_total\{error_type=""\} (.*)$/m.exec((await metrics.scrape()).text)?.[1]
  for (const name of ['recorded', 'taken', 'queued'] as const) counters.add(name, 7)
  assert.equal(await processed(), '7')
  counters.set('queued', 0)
  counters.add('worker_exit', 7)
  assert.equal(await processed(), '7')
  assert.match((await metrics.scrape()).text, /^otel_sdk_exporter_span_exported_total\{error_type="worker_exit"\} 7$/m)
})

test('labels are bounded: whatever clients send, the number of series is', async () => {
  const telemetry = create()
  for (let status = 100; status < 1000; status++) {
    for (const method of ['GET', 'POST', `M${status}`]) telemetry.onFinish(finishedExchange({ status, method }))
  }
  for (let i = 0; i < 1000; i++) telemetry.metrics.tunnels.inc(`reason-${i}`)
  const samples = [...(await scrape(telemetry)).keys()]
  const counts = samples.filter((name) => name.startsWith('http_server_request_duration_seconds_count'))
  assert.ok(counts.length <= 513, `${counts.length} series`)
  assert.equal(samples.filter((name) => name.startsWith('hopscope_tunnels_total')).length, 65)
})

test('gauges of others, the exporter and the runtime are in the scrape; names may be taken once', async () => {
  const telemetry = create()
  telemetry.metrics.gauge('hopscope_active_requests', 'x', () => 4)
  telemetry.metrics.gauge('hopscope_connections', 'x', () => [{ labels: { side: 'upstream' }, value: 2 }])
  telemetry.metrics.counter('hopscope_things_total', 'x', 'kind').inc('a')
  assert.throws(() => telemetry.metrics.gauge('hopscope_connections', 'x', () => 1))
  const samples = await scrape(telemetry)
  assert.equal(samples.get('hopscope_active_requests'), 4)
  assert.equal(samples.get('hopscope_connections{side="upstream"}'), 2)
  assert.equal(samples.get('hopscope_things_total{kind="a"}'), 1)
  assert.equal(samples.get('otel_sdk_exporter_span_exported_total{error_type=""}'), 0)
  assert.equal(samples.get('otel_sdk_exporter_span_exported_total{error_type="rejected"}'), 0)
  assert.equal(samples.get('otel_sdk_processor_span_processed_total{error_type="ring_full"}'), 0)
  assert.ok(samples.has('nodejs_eventloop_utilization'))
  assert.ok(samples.has('process_resident_memory_bytes'))
  assert.ok([...samples.keys()].some((name) => name.startsWith('nodejs_eventloop_lag')))
})

test('of several processes, figures of the host and shares are not added up', async () => {
  const processes = [create(), create()]
  const health = processes.map(({ metrics, counters }) => {
    const one = new ProxyHealth(undefined)
    one.watch(metrics, counters)
    return one
  })
  const snapshots = await Promise.all(processes.map(({ metrics }) => metrics.snapshot()))
  const values: Readonly<Record<string, readonly [number, number]>> = {
    hopscope_conntrack_limit: [262144, 262144],
    hopscope_descriptors: [100, 900],
    nodejs_eventloop_utilization: [0.5, 0.7],
    hopscope_retries_total: [3, 4],
  }
  snapshots.forEach((metrics, i) => {
    for (const metric of metrics as unknown as { name: string; values: object[] }[]) {
      if (metric.name in values) metric.values = [{ value: values[metric.name]![i]!, labels: {} }]
    }
  })
  const { text } = await mergeScrapes(snapshots)
  const merged = Object.keys(values).map((name) => Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]))
  assert.deepEqual(merged, [262144, 900, 0.6, 7])
  for (const one of health) one.close()
  await Promise.all(processes.map((telemetry) => telemetry.close(0)))
})
