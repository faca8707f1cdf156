import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { requestOf, send } from './otlp-messages.ts'
import { ORIGIN_MS, rawSpan } from './raw-spans.ts'
import { type RunningAggregator, running, until } from './running.ts'

let it: RunningAggregator
const TRACE = 'ab'.padStart(32, '0')

before(async () => {
  it = await running()
  const attributes = { 'http.response.status_code': 500, half: 0.5, list: ['a', 'b'] }
  await send(
    it.grpcPort,
    requestOf(
      [
        rawSpan({ trace: 'ab', span: '1', name: 'GET /', ms: 70, failed: true, attributes }),
        rawSpan({ trace: 'ab', span: '2', parent: '1', kind: 'client', name: 'GET', startMs: 5, ms: 40 }),
      ],
      'web "1"\n',
    ),
  )
  await send(
    it.grpcPort,
    requestOf([rawSpan({ trace: 'ab', span: '3', parent: '2', name: 'SELECT', startMs: 10, ms: 30 })], 'db'),
  )
  await it.stored()
})
after(() => it.end())

const WEB = 'web "1"\n'

test('v3: services, operations, a trace as OTLP, search, dependencies', async () => {
  assert.deepEqual(await it.ask('v3/services'), { services: ['db', WEB] })
  const service = encodeURIComponent(WEB)
  assert.deepEqual(await it.ask(`v3/operations?service=${service}&span_kind=SERVER`), {
    operations: [{ name: 'GET /', spanKind: 'server' }],
  })
  interface Answer {
    readonly result: {
      readonly resourceSpans: readonly {
        readonly scopeSpans: readonly { readonly spans: readonly Record<string, unknown>[] }[]
      }[]
    }
  }
  const spansOf = ({ result }: Answer): Record<string, unknown>[] =>
    result.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans))
  const spans = spansOf(await it.ask<Answer>(`v3/traces/${TRACE}`))
  assert.equal(spans.length, 3)
  const root = spans.find(({ spanId }) => spanId === '1'.padStart(16, '0'))!
  assert.deepEqual(
    [root.traceId, root.name, root.kind, root.status],
    [TRACE, 'GET /', 2, { code: 2, message: 'broken' }],
  )
  assert.deepEqual(root.attributes, [
    { key: 'http.response.status_code', value: { intValue: '500' } },
    { key: 'half', value: { doubleValue: 0.5 } },
    { key: 'list', value: { arrayValue: { values: [{ stringValue: 'a' }, { stringValue: 'b' }] } } },
  ])
  const time = (ms: number): string => new Date(ORIGIN_MS + ms).toISOString()
  const range = `query.startTimeMin=${time(-1000)}&query.startTimeMax=${time(1000)}`
  const found = await it.ask<Answer>(`v3/traces?query.serviceName=db&${range}&query.durationMin=20ms`)
  assert.equal(spansOf(found).length, 3)
  const older = `query.service_name=db&query.start_time_min=${time(-1000)}&query.start_time_max=${time(1000)}&query.num_traces=5`
  assert.equal(spansOf(await it.ask<Answer>(`v3/traces?${older}`)).length, 3)
  const none = await it.ask<{ error: unknown }>(`v3/traces?query.serviceName=db&${range}&query.durationMin=2s`, 404)
  assert.deepEqual(none.error, { httpCode: 404, message: 'No traces found' })
  await it.ask(`v3/traces?query.serviceName=db`, 400)
  assert.deepEqual(await it.ask(`v3/dependencies?startTime=${time(-1000)}&endTime=${time(1000)}`), {
    dependencies: [{ parent: WEB, child: 'db', callCount: 1, source: 'hopscope' }],
  })
})

test('the older API: spans in the model of the UI', async () => {
  const envelope = await it.ask<{ data: unknown; total: number; errors: unknown }>('services')
  assert.deepEqual([envelope.data, envelope.total, envelope.errors], [['db', WEB], 2, null])
  assert.deepEqual((await it.ask<{ data: unknown }>('services/db/operations')).data, ['SELECT'])
  interface UiTrace {
    readonly traceID: string
    readonly spans: readonly Record<string, unknown>[]
    readonly processes: Readonly<Record<string, { readonly serviceName: string }>>
  }
  const start = (ORIGIN_MS - 1000) * 1000
  const end = (ORIGIN_MS + 1000) * 1000
  const tags = encodeURIComponent(JSON.stringify({ error: 'true', half: '0.5' }))
  const { data } = await it.ask<{ data: UiTrace[] }>(
    `traces?service=${encodeURIComponent(WEB)}&tags=${tags}&start=${start}&end=${end}&minDuration=50ms`,
  )
  const [trace] = data
  assert.deepEqual([data.length, trace!.traceID, trace!.spans.length], [1, TRACE, 3])
  const child = trace!.spans.find(({ spanID }) => spanID === '3'.padStart(16, '0'))!
  assert.deepEqual(child.references, [{ refType: 'CHILD_OF', traceID: TRACE, spanID: '2'.padStart(16, '0') }])
  assert.deepEqual([child.startTime, child.duration], [(ORIGIN_MS + 10) * 1000, 30_000])
  assert.equal(trace!.processes[child.processID as string]!.serviceName, 'db')
  assert.equal((await it.ask<{ data: unknown[] }>(`traces/${TRACE}`)).data.length, 1)
  await it.ask(`traces/${'c'.repeat(32)}`, 404)
  assert.equal(
    (await it.ask<{ data: unknown[] }>(`dependencies?endTs=${ORIGIN_MS + 60_000}&lookback=3600000`)).data.length,
    1,
  )
})

test('the older API: what is not understood is refused, and time before 1970 is none', async () => {
  const refused = [
    'minDuration=soon',
    'maxDuration=9e9s',
    `minDuration=${'9'.repeat(400)}s`,
    'lookback=x',
    'tag=x',
    'tags=5',
  ]
  for (const query of refused) await it.ask(`traces?service=db&${query}`, 400)
  await it.ask('services/%E0%A4%A/operations', 400)
  await it.ask('traces?service=db&lookback=2d')
  await it.ask('dependencies?endTs=1000&lookback=3600000')
})

test('Prometheus: span metrics with exemplars and the service graph, in a form that parses', async () => {
  const answer = await fetch(`http://127.0.0.1:${it.metricsPort}/metrics`)
  assert.match(answer.headers.get('content-type')!, /^application\/openmetrics-text/)
  const text = await answer.text()
  const line = (start: string): string => text.split('\n').find((one) => one.startsWith(start)) ?? `no ${start}`
  const root =
    'service_name="web \\"1\\"\\n",span_name="GET /",span_kind="SPAN_KIND_SERVER",status_code="STATUS_CODE_ERROR"'
  assert.equal(line(`traces_span_metrics_calls_total{${root}}`), `traces_span_metrics_calls_total{${root}} 1`)
  const bucket = `traces_span_metrics_duration_milliseconds_bucket{${root},le="100"}`
  assert.match(line(bucket), new RegExp(`1 # \\{trace_id="${TRACE}",span_id="${'1'.padStart(16, '0')}"\\} 70 `))
  assert.match(line('traces_service_graph_request_total{client="web'), /server="db",connection_type=""\} 1$/)
  assert.match(line('traces_service_graph_request_failed_total{client="user",server="web'), / 1$/)
  assert.equal(
    line('hopscope_aggregator_spans_total{outcome="accepted"}'),
    'hopscope_aggregator_spans_total{outcome="accepted"} 3',
  )
  assert.equal(text.match(/# EOF/g)?.length, 1)
  assert.ok(text.endsWith('# EOF\n'))
  for (const one of text.trimEnd().split('\n')) {
    assert.match(one, /^(# (TYPE|UNIT|HELP|EOF).*|[a-z_]\w*(\{.*\})? [-+\deE.naifNIn]+( # \{.*\} [\d.e+-]+ [\d.]+)?)$/)
  }
})

test('the live tail tells of a trace when it went quiet', async () => {
  const answer = await fetch(`http://127.0.0.1:${it.uiPort}/api/hopscope/live`)
  assert.equal(answer.headers.get('content-type'), 'text/event-stream')
  let heard = ''
  const reading = (async () => {
    for await (const piece of answer.body!) heard += Buffer.from(piece).toString()
  })().catch(() => {})
  await send(
    it.grpcPort,
    requestOf(
      [rawSpan({ trace: 'cd', span: '1', name: 'POST', attributes: { 'http.response.status_code': 201 } })],
      'live',
    ),
  )
  const dataOf = (): string | undefined =>
    heard.split('\n').find((line) => line.startsWith('data: ') && line.includes('"live"'))
  await until('the event came', () => dataOf() !== undefined)
  const data = JSON.parse(dataOf()!.slice('data: '.length)) as Record<string, unknown>
  assert.deepEqual(
    [data.traceId, data.service, data.http, data.spans, data.state],
    ['cd'.padStart(32, '0'), 'live', 201, 1, 'complete'],
  )
  await answer.body!.cancel().catch(() => {})
  void reading
})

test('a web page that was led here by DNS is turned away', async () => {
  const { request } = await import('node:http')
  const status = await new Promise((resolve, reject) => {
    const headers = { host: 'attacker.example' }
    request({ host: '127.0.0.1', port: it.uiPort, path: '/api/hopscope/status', headers }, (res) => {
      res.resume()
      resolve(res.statusCode)
    })
      .on('error', reject)
      .end()
  })
  assert.equal(status, 403)
})
