/** Remote write into a real Prometheus, where one is installed. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { seriesOf, snappy } from '../../src/aggregator/metrics/remote-write.ts'
import { freePort } from '../support/free-port.ts'
import { requestOf, send } from './otlp-messages.ts'
import { rawSpan } from './raw-spans.ts'
import { running, until } from './running.ts'

const noPrometheus = spawnSync('prometheus', ['--version']).status === 0 ? false : 'prometheus is not installed'

test('Prometheus takes the series, and has their values', { skip: noPrometheus }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hopscope-prometheus-'))
  const port = await freePort()
  const config = join(folder, 'prometheus.yml')
  writeFileSync(config, 'global: {}\n')
  const address = `127.0.0.1:${port}`
  const child = spawn(
    'prometheus',
    [
      '--config.file',
      config,
      '--storage.tsdb.path',
      join(folder, 'data'),
      '--web.listen-address',
      address,
      '--web.enable-remote-write-receiver',
    ],
    { stdio: 'ignore' },
  )
  t.after(() => {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })
  await until(
    'Prometheus is ready',
    async () => (await fetch(`http://${address}/-/ready`).catch(() => undefined))?.ok === true,
  )
  const it = await running({ remoteWrite: { url: `http://${address}/api/v1/write`, everyMs: 200 } })
  t.after(() => it.end())
  await send(it.grpcPort, requestOf([rawSpan({ trace: 'a1', span: '1', name: 'GET "x"', ms: 70 })], 'shop'))
  interface Answer {
    readonly data: {
      readonly result: readonly { readonly metric: Record<string, string>; readonly value: readonly [number, string] }[]
    }
  }
  const ask = async (query: string): Promise<Answer['data']['result']> =>
    ((await (await fetch(`http://${address}/api/v1/query?query=${encodeURIComponent(query)}`)).json()) as Answer).data
      .result
  await until('the series is there', async () => (await ask('traces_span_metrics_calls_total')).length === 1)
  const [calls] = await ask('traces_span_metrics_calls_total')
  assert.deepEqual(calls!.metric, {
    ...{ __name__: 'traces_span_metrics_calls_total', service_name: 'shop', span_name: 'GET "x"' },
    ...{ span_kind: 'SPAN_KIND_SERVER', status_code: 'STATUS_CODE_UNSET' },
  })
  assert.equal(calls!.value[1], '1')
  const [bucket] = await ask('traces_span_metrics_duration_milliseconds_bucket{le="100"}')
  assert.equal(bucket!.value[1], '1')
  const [edge] = await ask('traces_service_graph_request_total{client="user",server="shop"}')
  assert.equal(edge!.value[1], '1')
  assert.equal((await ask('hopscope_aggregator_spans_total{outcome="accepted"}'))[0]!.value[1], '1')
})

test('a receiver that fails is tried again, one that refuses is not, and neither holds anything up', async (t) => {
  const statuses = [500, 204, 400]
  let asked = 0
  const server = createServer((req, res) => {
    req.resume()
    req.on('end', () => res.writeHead(statuses[Math.min(asked++, 2)]!).end())
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  const it = await running({ remoteWrite: { url: `http://127.0.0.1:${port}/`, everyMs: 100 } })
  await until('it was asked again', () => asked >= 4)
  const before = performance.now()
  await it.end()
  assert.ok(performance.now() - before < 3000)
  server.close()
  t.diagnostic(`${asked} requests`)
})

test('series are read off the text with their escapes', () => {
  const text =
    '# TYPE a counter\na_total{b="x \\"y\\" \\\\ \\n}",empty="",c="1"} 5 # {trace_id="t"} 1 2\nplain 0.5\nx_bucket{le="+Inf"} +Inf\n# EOF\n'
  assert.deepEqual(seriesOf(text), [
    {
      labels: [
        ['__name__', 'a_total'],
        ['b', 'x "y" \\ \n}'],
        ['c', '1'],
      ],
      value: 5,
    },
    { labels: [['__name__', 'plain']], value: 0.5 },
    {
      labels: [
        ['__name__', 'x_bucket'],
        ['le', '+Inf'],
      ],
      value: Number.POSITIVE_INFINITY,
    },
  ])
  assert.deepEqual([...snappy(Buffer.from('ab'))], [2, 244, 1, 0, 97, 98])
})
