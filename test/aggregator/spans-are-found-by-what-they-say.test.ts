import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { requestOf, send } from './otlp-messages.ts'
import { ORIGIN_MS, rawSpan } from './raw-spans.ts'
import { type RunningAggregator, running } from './running.ts'

let it: RunningAggregator

/** Ten traces: web calls stock; one fails, one is slow, each has a request id. */
function traceRequests(from: number): Buffer[] {
  const web = Array.from({ length: 10 }, (_, i) => {
    const attributes = {
      'url.path': `/carts/${i}/items`,
      'http.response.status_code': i === 3 ? 503 : 200,
      'http.request.header.x-request-id': [`req-${from + i}`],
      'hopscope.idempotency.outcome': i % 2 === 0 ? 'first' : 'replay',
      'hopscope.idempotency.key_hash': `hash-${from + i}`,
      shelf: i,
      below: -i - 1,
      huge: `9007199254740993${i}`,
      long: `${i}`.repeat(300),
      share: i + 0.25,
      ...(i === 3 && { 'error.type': '503' }),
    }
    const trace = (from + i).toString(16)
    return rawSpan({ trace, span: '1', startMs: from + i, ms: i === 5 ? 900 : 20, failed: i === 3, attributes })
  })
  const calls = Array.from({ length: 10 }, (_, i) => {
    const trace = (from + i).toString(16)
    const attributes = { 'server.address': 'stock.example' }
    return rawSpan({ trace, span: '2', parent: '1', kind: 'client', startMs: from + i + 2, ms: 10, attributes })
  })
  const stock = Array.from({ length: 10 }, (_, i) => {
    const attributes = { 'http.route': '/items/{id}', 'url.path': `/items/${i}`, text: `of ${i}` }
    const trace = (from + i).toString(16)
    return rawSpan({ trace, span: '3', parent: '2', startMs: from + i + 4, ms: 6, attributes })
  })
  return [requestOf([...web, ...calls], 'web'), requestOf(stock, 'stock')]
}

before(async () => {
  it = await running({ sealMs: 60_000 })
  for (const request of traceRequests(100)) await send(it.grpcPort, request)
})
after(() => it.end())

const CASES: readonly (readonly [string, readonly number[]])[] = [
  ['service=stock', [109, 108, 107, 106, 105, 104, 103, 102, 101, 100]],
  ['service=web&status=error', [103]],
  ['http=503', [103]],
  ['http=5xx', [103]],
  ['http=400-499', []],
  ['error=503', [103]],
  ['minMs=500', [105]],
  ['service=stock&maxMs=5.9', []],
  ['route=/items/{id}&limit=2', [109, 108]],
  ['route=/carts/{id}/items&limit=1', [109]],
  ['requestId=req-104', [104]],
  ['requestId=req-9999', []],
  ['idempotencyKeyHash=hash-107', [107]],
  ['outcome=replay&limit=3', [109, 107, 105]],
  ['attribute=shelf=6', [106]],
  ['attribute=below=-3', [102]],
  ['attribute=huge=90071992547409932', [102]],
  [`attribute=long=${'4'.repeat(300)}`, [104]],
  ['attribute=share=5.25', [105]],
  ['attribute=url.path=/carts/2/items', [102]],
  ['attribute=text=of 8', [108]],
  ['attribute=http.request.header.x-request-id=req-101', [101]],
  ['attribute=service.name=stock&limit=2', [109, 108]],
  ['attribute=shelf=6&attribute=url.path=/carts/6/items', [106]],
  ['attribute=shelf=6&attribute=url.path=/carts/7/items', []],
  ['service=web&kind=client&limit=1', [109]],
  ['service=nobody', []],
  [`from=${ORIGIN_MS + 107}&to=${ORIGIN_MS + 107}&service=web&kind=server`, [107]],
]

async function checkAll(): Promise<void> {
  for (const [query, expected] of CASES) {
    const { traces } = await it.ask<{ traces: { traceId: string; spans: number; services: string[] }[] }>(
      `hopscope/search?${query.replaceAll(' ', '%20')}`,
    )
    assert.deepEqual(
      traces.map(({ traceId }) => Number.parseInt(traceId, 16)),
      expected,
      query,
    )
    for (const { spans, services } of traces) assert.deepEqual([spans, services.sort()], [3, ['stock', 'web']])
  }
  const { spans } = await it.ask<{ spans: { route: string; service: string; durationUs: number }[] }>(
    'hopscope/spans?service=stock&limit=100',
  )
  assert.equal(spans.length, 10)
  assert.deepEqual([spans[0]!.route, spans[0]!.durationUs], ['/items/{id}', 6000])
}

test('in memory, before anything is stored', async () => {
  assert.equal((await it.ask<{ waiting: number }>('hopscope/status')).waiting, 30)
  await checkAll()
})

test('in files, and again after a restart', async () => {
  await it.stop()
  it = await running({}, it.folder)
  await it.stored()
  assert.equal((await it.ask<{ spans: number }>('hopscope/status')).spans, 30)
  await checkAll()
})

test('in both at once, without counting anything twice', async () => {
  await it.stop()
  it = await running({ sealMs: 60_000 }, it.folder)
  for (const request of traceRequests(200)) await send(it.grpcPort, request)
  const { traces } = await it.ask<{ traces: { traceId: string }[] }>('hopscope/search?service=web&limit=500')
  assert.equal(traces.length, 20)
  await send(
    it.grpcPort,
    requestOf([rawSpan({ trace: (105).toString(16), span: '9', parent: '3', startMs: 110 })], 'late'),
  )
  const trace = await it.ask<{ spans: number; services: string[] }>(
    `hopscope/trace/${(105).toString(16).padStart(32, '0')}`,
  )
  assert.deepEqual([trace.spans, trace.services], [4, ['web', 'stock', 'late']])
})

test('figures over all spans', async () => {
  await it.stop()
  it = await running({}, it.folder)
  await it.stored()
  interface Figures {
    readonly service: string
    readonly calls: number
    readonly errors: number
    readonly p50Us: number
    readonly routes: readonly { readonly route: string; readonly calls: number }[]
  }
  const { services } = await it.ask<{ services: Figures[] }>('hopscope/services')
  const web = services.find(({ service }) => service === 'web')!
  assert.deepEqual([web.calls, web.errors, web.routes], [20, 2, web.routes])
  assert.deepEqual(
    web.routes.map(({ route, calls }) => [route, calls]),
    [['/carts/{id}/items', 20]],
  )
  assert.ok(Math.abs(web.p50Us - 20_000) < 2500, `${web.p50Us}`)
  const { edges } = await it.ask<{ edges: Record<string, unknown>[] }>('hopscope/map')
  const call = edges.find(({ relation }) => relation === 'call')!
  assert.deepEqual([call.client, call.server, call.calls, call.errors], ['web', 'stock', 20, 0])
  assert.ok(Math.abs((call.networkP50Us as number) - 4000) < 500, `${call.networkP50Us}`)
  const entry = edges.find(({ relation }) => relation === 'entry')!
  assert.deepEqual([entry.client, entry.server, entry.calls, entry.errors], [null, 'web', 20, 2])
  const { outcomes } = await it.ask<{ outcomes: { outcome: string; count: number }[] }>('hopscope/idempotency')
  assert.deepEqual(outcomes.map(({ outcome, count }) => [outcome, count]).sort(), [
    ['first', 10],
    ['replay', 10],
  ])
  const { cells } = await it.ask<{ cells: { count: number }[] }>('hopscope/heatmap?service=stock&columns=4')
  assert.equal(
    cells.reduce((sum, { count }) => sum + count, 0),
    20,
  )
})

test('times beyond reason, empty names and odd values are kept, and harm nothing', async () => {
  const odd = [
    { start_time_unix_nano: '18446744073709551615', end_time_unix_nano: '1' },
    { start_time_unix_nano: '9223372036854775808', end_time_unix_nano: '18446744073709551615' },
    { start_time_unix_nano: '0', end_time_unix_nano: '0', name: '', kind: 0 },
    {
      start_time_unix_nano: '1',
      end_time_unix_nano: '9223372036854775807',
      name: '\u0000\ud83d\ude00"\\',
      trace_state: 'x',
    },
  ].map((times, i) => ({ ...rawSpan({ trace: 'dd', span: (i + 1).toString(16) }), ...times }))
  await send(it.grpcPort, requestOf(odd, 'odd "service"\n'))
  await send(it.grpcPort, requestOf([rawSpan({ trace: 'de', span: '1' })], 'after'))
  await it.stored()
  const { hops } = await it.ask<{ hops: { name: string }[] }>(`hopscope/trace/${'dd'.padStart(32, '0')}`)
  assert.equal(hops.length, 4)
  assert.ok(hops.some(({ name }) => name === '\u0000\ud83d\ude00"\\'))
  const { traces } = await it.ask<{ traces: unknown[] }>('hopscope/search?service=after')
  assert.equal(traces.length, 1)
  for (const path of ['services', 'map', 'heatmap', 'clocks', 'status', 'search?from=0&limit=500'])
    await it.ask(`hopscope/${path}`)
})

test('what is not understood is refused', async () => {
  const cases = [
    'search?servcie=web',
    'search?http=abc',
    'search?limit=0',
    'search?attribute=x',
    'search?minMs=1e308',
    'heatmap?columns=9999',
    'trace/xyz',
  ]
  for (const query of cases) {
    const status = query.startsWith('trace') ? 404 : 400
    assert.match((await it.ask<{ error: string }>(`hopscope/${query}`, status)).error, /\w/, query)
  }
  await it.ask(`hopscope/trace/${'e'.repeat(32)}`, 404)
})
