import assert from 'node:assert/strict'
import { request } from 'node:http'
import { after, before, test } from 'node:test'
import { Rendezvous, slotOfTrace } from '../../src/core/rendezvous.ts'
import { fleet, get } from './fleet.ts'
import { type RawSpan, requestOf, send } from './otlp-messages.ts'
import { rawSpan } from './raw-spans.ts'
import { type RunningAggregator, running, until } from './running.ts'

let replicas: RunningAggregator[]
let solo: RunningAggregator

const idOf = (index: number): string => (index + 0x1000).toString(16).padStart(32, 'ab')

/** Spans of a trace by service: web calls one of three stocks. */
function traceSpans(index: number): readonly (readonly [string, RawSpan[]])[] {
  const trace = idOf(index)
  const [host, ms] = [index % 3, 10 + ((index * 37) % 400)]
  const web = [
    rawSpan({
      ...{ trace, span: '1', startMs: index * 20, ms, failed: index % 7 === 0 },
      attributes: {
        'http.route': `/carts/${index % 4}`,
        'http.response.status_code': index % 7 === 0 ? 503 : 200,
        'hopscope.idempotency.outcome': index % 2 === 0 ? 'first' : 'replay',
        lot: index % 5,
      },
    }),
    rawSpan({ trace, span: '2', parent: '1', kind: 'client', startMs: index * 20 + 1, ms: ms - 2 }),
  ]
  const stock = [
    rawSpan({
      ...{ trace, span: '3', parent: '2', startMs: index * 20 + 2, ms: ms - 5 },
      attributes: { 'http.route': '/items/{id}' },
    }),
  ]
  return [
    ['web', web],
    [`stock-${host}`, stock],
  ]
}

/** All spans of the traces by service, a request each. */
async function sendTraces(indexes: readonly number[], port: number): Promise<void> {
  const byService = new Map<string, RawSpan[]>()
  for (const [service, spans] of indexes.flatMap(traceSpans)) {
    byService.set(service, [...(byService.get(service) ?? []), ...spans])
  }
  for (const [service, spans] of byService) await send(port, requestOf(spans, service))
}

const TRACES = 60

before(async () => {
  ;[replicas, solo] = await Promise.all([fleet(3), running()])
  const order = new Rendezvous(replicas.map(({ grpcPort }) => `127.0.0.1:${grpcPort}`))
  const all = Array.from({ length: TRACES }, (_, i) => i)
  const ownerOf = (index: number): string => order.order(slotOfTrace(idOf(index)))[0]!
  for (const { grpcPort } of replicas) {
    await sendTraces(
      all.filter((index) => ownerOf(index).endsWith(`:${grpcPort}`)),
      grpcPort,
    )
  }
  await sendTraces(all, solo.grpcPort)
  await Promise.all([...replicas, solo].map((one) => one.stored()))
})
after(() => Promise.all([...replicas, solo].map((one) => one.end())))

/** What is the same wherever spans are: times of receipt and of asking are not. */
function comparable(path: string, answer: Record<string, unknown>): unknown {
  const { missing, ...rest } = answer
  if (path.includes('trace/')) delete rest.quietMs
  return JSON.parse(JSON.stringify(rest, (key, value: unknown) => (key === 'receivedMs' ? undefined : value)))
}

const FIXED = `from=${Math.floor(performance.timeOrigin) - 300_000}&to=${Math.floor(performance.timeOrigin) + 60_000}`
const QUESTIONS = [
  `hopscope/search?${FIXED}`,
  `hopscope/search?${FIXED}&service=web&status=error&limit=5`,
  `hopscope/search?${FIXED}&service=stock-1`,
  `hopscope/search?${FIXED}&attribute=lot=3`,
  `hopscope/search?${FIXED}&minMs=200&http=5xx`,
  `hopscope/search?traceId=${idOf(17)}`,
  `hopscope/search?${FIXED}&service=nobody`,
  `hopscope/spans?${FIXED}&limit=70`,
  `hopscope/services?${FIXED}`,
  `hopscope/map?${FIXED}`,
  `hopscope/heatmap?${FIXED}&columns=30`,
  `hopscope/heatmap?${FIXED}&service=web&route=/carts/2`,
  `hopscope/idempotency?${FIXED}`,
  `hopscope/clocks?${FIXED}`,
  `hopscope/trace/${idOf(7)}`,
  `hopscope/trace/${idOf(8)}/span/0000000000000003`,
  'services',
  'operations?service=web',
  `traces/${idOf(12)}`,
  'v3/services',
  `v3/traces/${idOf(13)}`,
  `traces?service=web&limit=10`,
]

/** Lists whose order says nothing. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, sorted(one)]))
}

for (const path of QUESTIONS) {
  test(`${path.replace(FIXED, '…')}: each of three says what one with all spans would`, async () => {
    const expected = comparable(path, await solo.ask(path))
    for (const { uiPort } of replicas) {
      const { status, json } = await get(uiPort, `/api/${path}`)
      assert.equal(status, 200)
      if (path.startsWith('hopscope/')) assert.deepEqual(json.missing, [])
      assert.deepEqual(sorted(comparable(path, json)), sorted(expected))
    }
  })
}

test('a trace is answered by its owner; the others forward', async () => {
  for (let i = 0; i < 20; i++) {
    // One that is slow to say that it is there is passed over, so that it may take a moment.
    await until(`the owner of ${idOf(i)} answers`, async () => {
      const answers = await Promise.all(replicas.map(({ uiPort }) => get(uiPort, `/api/hopscope/trace/${idOf(i)}`)))
      const answeredBy = answers.map(({ headers }) => headers['hopscope-replica'])
      const forwarded = answeredBy.filter((id) => id !== undefined)
      return forwarded.length === 2 && new Set(forwarded).size === 1
    })
  }
})

test('spans of one trace that came to different replicas are one trace', async () => {
  const trace = 'f'.repeat(32)
  const spans = [1, 2, 3].map((span) =>
    rawSpan({ trace, span: String(span), ...(span > 1 && { parent: String(span - 1) }), startMs: 5000 + span, ms: 20 }),
  )
  // One of them twice: it was acknowledged to nobody.
  for (const [i, one] of [0, 1, 2, 1].entries()) await send(replicas[(one + i) % 3]!.grpcPort, requestOf([spans[one]!]))
  for (const { uiPort } of replicas) {
    const { json } = await get(uiPort, `/api/hopscope/trace/${trace}`)
    assert.equal(json.spans, 3)
    assert.equal(json.state, 'complete')
    const found = await get(uiPort, `/api/hopscope/search?traceId=${trace}`)
    const [summary] = found.json.traces as { spans: number; rootSeen: boolean }[]
    assert.deepEqual([summary!.spans, summary!.rootSeen], [3, true])
  }
})

test('incidents are asked of all', async () => {
  const { status, json } = await get(replicas[2]!.uiPort, '/api/hopscope/incidents')
  assert.deepEqual([status, json.missing], [200, []])
  assert.ok(Array.isArray(json.incidents))
})

test('the status counts all, and tells them apart', async () => {
  const { json } = await get(replicas[1]!.uiPort, '/api/hopscope/status')
  const parts = json.replicas as { spans: number; waiting: number }[]
  assert.equal(parts.length, 3)
  assert.equal(
    parts.reduce((sum, { spans, waiting }) => sum + spans + waiting, 0),
    (json.spans as number) + (json.waiting as number),
  )
  assert.ok(parts.every(({ spans }) => spans > 20))
})

test('the live tail of any replica shows the traces of all', async () => {
  const texts = replicas.map(() => '')
  const readers = replicas.map(({ uiPort }, i) => {
    const reader = request({ host: '127.0.0.1', port: uiPort, path: '/api/hopscope/live', agent: false }, (res) => {
      res.setEncoding('utf8').on('data', (text: string) => {
        texts[i] += text
      })
    })
    reader.on('error', () => {})
    reader.end()
    return reader
  })
  // Tails of others are opened a moment after the first reader.
  let sent = 0
  const shown = (): boolean =>
    texts.every((text) => [0, 1, 2].every((owner) => text.includes(`"traceId":"${String(owner).repeat(8)}`)))
  await until(
    'each shows traces of each',
    async () => {
      const trace = (owner: number): string => `${String(owner).repeat(8)}${(sent++).toString(16).padStart(24, 'c')}`
      for (const [owner, { grpcPort }] of replicas.entries()) {
        await send(grpcPort, requestOf([rawSpan({ trace: trace(owner), span: '1', startMs: 9000 })]))
      }
      return shown()
    },
    10_000,
  )
  // Nothing goes in circles: a trace is told once, by the replica that has it.
  const told = texts[0]!.match(/"traceId":"[012]{8}[0-9a-f]{24}"/g)!
  assert.equal(new Set(told).size, told.length)
  for (const reader of readers) reader.destroy()
})
