/**
 * A known load, of which a tenth is kept at the head and a tenth of that at the tail: what every figure says is held against
 * what happened. The ids are made from numbers, so that each run is the same one.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, test } from 'node:test'
import { HeadSampler, stateOfKept } from '../../src/telemetry/sampler.ts'
import { id, type RawSpan, requestOf, send } from '../aggregator/otlp-messages.ts'
import { rawSpan, type Wanted } from '../aggregator/raw-spans.ts'
import { type RunningAggregator, running } from '../aggregator/running.ts'

const TRACES = 24_000
const head = new HeadSampler({ ratio: 0.1, parentBased: true })

interface Call {
  readonly traceId: string
  readonly sampled: boolean
  readonly kind: 'healthy' | 'failed' | 'failed at web' | 'slow'
  readonly route: '/fast' | '/report'
  readonly ms: number
  readonly index: number
}

/** A number from 0 to 1 that `text` stands for. */
const chance = (text: string): number =>
  Number.parseInt(createHash('sha256').update(text).digest('hex').slice(0, 8), 16) / 2 ** 32

function callOf(index: number): Call {
  const traceId = createHash('sha256').update(`trace ${index}`).digest('hex').slice(0, 32)
  const route = chance(`route ${index}`) < 0.3 ? '/report' : '/fast'
  const kind =
    index % 200 === 0 ? 'failed' : index % 400 === 7 ? 'failed at web' : index % 800 === 3 ? 'slow' : 'healthy'
  const ms = kind === 'slow' ? 1500 : (route === '/report' ? 80 : 5) * 2 ** (2 * chance(`ms ${index}`))
  return { traceId, sampled: head.sample(undefined, traceId), kind, route, ms, index }
}

const calls = Array.from({ length: TRACES }, (_, index) => callOf(index))
const failedAtWeb = calls.filter(({ kind }) => kind.startsWith('failed')).length
const failedAtStock = calls.filter(({ kind }) => kind === 'failed').length

/** What the sidecars of both services send of it: at web the request and the call, at stock the request. */
function spansOf(call: Call): { readonly service: string; readonly span: RawSpan }[] {
  const { traceId, sampled, kind, route, ms, index } = call
  const state = head.stateOf(undefined, traceId, '', sampled)
  const span = (service: string, wanted: Omit<Wanted, 'trace'>): { service: string; span: RawSpan }[] => {
    const kept = wanted.failed === true || kind === 'slow'
    const recorded = !kept && !sampled
    if (recorded && kind === 'healthy') return []
    const attributes = { ...wanted.attributes, ...(recorded && { 'hopscope.recorded': true }) }
    const made = rawSpan({ trace: traceId, startMs: (index % 1000) * 30, ...wanted, attributes })
    return [
      {
        service,
        span: { ...made, trace_id: id(traceId), trace_state: kept ? stateOfKept({ state }, sampled) : state },
      },
    ]
  }
  const web = kind.startsWith('failed')
  const stock = kind === 'failed'
  return [
    ...span('web', {
      ...{ span: 'a', ms, failed: web },
      attributes: { 'http.route': route, 'http.response.status_code': web ? 500 : 200 },
    }),
    ...span('web', {
      ...{ span: 'b', parent: 'a', kind: 'client', ms: ms * 0.8, failed: stock },
      attributes: { 'server.address': 'stock.local' },
    }),
    ...span('stock', {
      ...{ span: 'c', parent: 'b', ms: ms * 0.7, failed: stock },
      attributes: { 'http.route': '/items', 'hopscope.idempotency.outcome': stock ? 'failed' : 'executed' },
    }),
  ]
}

let one: RunningAggregator
before(async () => {
  one = await running({ sampling: { share: 0.1, slowMs: 1000, slowTimes: 0, waitMs: 700 }, sealMs: 100 })
  const all = calls.flatMap(spansOf)
  for (const service of ['web', 'stock']) {
    const spans = all.filter((span) => span.service === service).map(({ span }) => span)
    for (let at = 0; at < spans.length; at += 1500)
      await send(one.grpcPort, requestOf(spans.slice(at, at + 1500), service))
  }
  await one.stored()
})
after(() => one.end())

/** Five standard deviations of what is kept by chance. */
function near(figure: number, truth: number, kept: number, what: string): void {
  const bound = 5 * Math.sqrt(truth / kept)
  assert.ok(Math.abs(figure - truth) <= bound, `${what}: ${figure} where ${truth} happened, ± ${Math.round(bound)}`)
}
const BOTH = 0.01
const HEAD = 0.1

interface Figures {
  readonly calls: number
  readonly errors: number
  readonly p50Us: number
  readonly p95Us: number
}

function quantile(values: readonly number[], share: number): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length * share)]!
}

test('what is stored is a hundredth of the healthy, and all that failed or was slow', async () => {
  const { spans } = await one.ask<{ spans: number }>('hopscope/status')
  assert.ok(spans < TRACES * 0.09, `${spans} spans`)
  const some = calls.filter(({ kind, index }) => kind !== 'healthy' && index % 7 === 0)
  for (const { traceId, kind } of some) {
    const trace = await one.ask<{ spans: number }>(`hopscope/trace/${traceId}?attributes=false`)
    assert.equal(trace.spans, 3, `${kind} ${traceId}`)
  }
})

test('services and routes', async () => {
  type Service = Figures & { service: string; spans: number; routes: (Figures & { route: string })[] }
  const { services } = await one.ask<{ services: Service[] }>('hopscope/services')
  const web = services.find(({ service }) => service === 'web')!
  const stock = services.find(({ service }) => service === 'stock')!
  near(web.calls, TRACES, BOTH, 'requests to web')
  near(stock.calls, TRACES, BOTH, 'requests to stock')
  near(web.spans, TRACES * 2, BOTH / 4, 'spans of web')
  assert.equal(web.errors, failedAtWeb)
  assert.equal(stock.errors, failedAtStock)
  for (const route of ['/fast', '/report']) {
    const of = calls.filter((call) => call.route === route)
    const figures = web.routes.find((one) => one.route === route)!
    near(figures.calls, of.length, BOTH, route)
    assert.equal(figures.errors, of.filter(({ kind }) => kind.startsWith('failed')).length)
    for (const [told, share] of [
      [figures.p50Us, 0.5],
      [figures.p95Us, 0.95],
    ] as const) {
      const truth = quantile(
        of.map(({ ms }) => ms * 1000),
        share,
      )
      assert.ok(told / truth > 0.8 && told / truth < 1.25, `${route} ${share}: ${told} of ${truth}`)
    }
  }
  const p50 = quantile(
    calls.map(({ ms }) => ms * 1000),
    0.5,
  )
  assert.ok(web.p50Us / p50 > 0.8 && web.p50Us / p50 < 1.25, `${web.p50Us} of ${p50}`)
})

test('the service map, and dependencies as Jaeger has them', async () => {
  type Edge = Figures & { client: string | null; server: string; relation: string; perSecond: number }
  const { edges, seconds } = await one.ask<{ edges: Edge[]; seconds: number }>('hopscope/map')
  const call = edges.find(({ client, server }) => client === 'web' && server === 'stock')!
  near(call.calls, TRACES, BOTH, 'calls of stock')
  assert.equal(call.errors, failedAtStock)
  assert.ok(Math.abs(call.perSecond * seconds - call.calls) < 1)
  const entry = edges.find(({ relation }) => relation === 'entry')!
  near(entry.calls, TRACES, BOTH, 'requests from outside')
  assert.equal(entry.errors, failedAtWeb)
  const end = Date.now()
  const { data } = await one.ask<{ data: { parent: string; callCount: number }[] }>(
    `dependencies?endTs=${end}&lookback=3600000`,
  )
  assert.equal(data.find(({ parent }) => parent === 'web')!.callCount, call.calls)
})

test('the heat map and outcomes', async () => {
  interface Cell {
    readonly bucket: number
    readonly count: number
    readonly errors: number
  }
  const { cells, buckets } = await one.ask<{ cells: Cell[]; buckets: { bucket: number; fromUs: number }[] }>(
    'hopscope/heatmap?service=web&columns=10',
  )
  const sum = (of: (cell: Cell) => number): number => cells.reduce((all, cell) => all + of(cell), 0)
  near(
    sum(({ count }) => count),
    TRACES,
    BOTH,
    'requests',
  )
  assert.equal(
    sum(({ errors }) => errors),
    failedAtWeb,
  )
  const slow = new Set(buckets.filter(({ fromUs }) => fromUs > 1e6).map(({ bucket }) => bucket))
  const isSlow = calls.filter(({ kind }) => kind === 'slow').length
  assert.equal(
    sum(({ bucket, count }) => (slow.has(bucket) ? count : 0)),
    isSlow,
  )
  const { outcomes } = await one.ask<{ outcomes: { outcome: string; count: number }[] }>('hopscope/idempotency')
  near(outcomes.find(({ outcome }) => outcome === 'executed')!.count, TRACES - failedAtStock, BOTH, 'outcomes')
  assert.equal(outcomes.find(({ outcome }) => outcome === 'failed')!.count, failedAtStock)
})

test('metrics see all that came, by what was kept at the head', async () => {
  const text = await (await fetch(`http://127.0.0.1:${one.metricsPort}/metrics`)).text()
  const total = (name: string, ...labels: string[]): number =>
    text
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) && labels.every((label) => line.includes(label)))
      .reduce((all, line) => all + Number(line.split('} ')[1]!.split(' ')[0]), 0)
  const server = 'span_kind="SPAN_KIND_SERVER"'
  near(total('traces_span_metrics_calls_total', 'service_name="web"', server), TRACES, HEAD, 'span metrics')
  near(total('traces_span_metrics_duration_milliseconds_count', 'service_name="stock"'), TRACES, HEAD, 'durations')
  const errors = 'status_code="STATUS_CODE_ERROR"'
  assert.equal(total('traces_span_metrics_calls_total', 'service_name="web"', server, errors), failedAtWeb)
  assert.equal(total('traces_span_metrics_calls_total', 'service_name="stock"', errors), failedAtStock)
  const hop = ['client="web"', 'server="stock"']
  near(total('traces_service_graph_request_total', ...hop), TRACES, HEAD, 'service graph')
  assert.equal(total('traces_service_graph_request_failed_total', ...hop), failedAtStock)
  near(total('traces_service_graph_request_server_seconds_count', ...hop), TRACES, HEAD, 'its durations')
})
