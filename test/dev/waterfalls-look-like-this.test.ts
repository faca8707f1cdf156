/** Golden text: what a waterfall says must be seen at a glance, so that each change of it is looked at. */
import assert from 'node:assert/strict'
import test from 'node:test'
import type { ReceivedSpan } from '../../src/aggregator/span.ts'
import { traceTree } from '../../src/aggregator/trace-tree.ts'
import { Look, legend } from '../../src/dev/style.ts'
import { columnsOf } from '../../src/dev/terminal-text.ts'
import { type WaterfallOptions, waterfall } from '../../src/dev/waterfall.ts'
import { type Made, made } from '../aggregator/made-spans.ts'

const [WEB, ORDERS, PAYMENTS, OTHER] = ['a1', 'b2', 'c3', 'd4'].map((digits) => digits.repeat(8)) as [
  string,
  string,
  string,
  string,
]

interface Call extends Made {
  readonly what: string
  readonly status?: number
  readonly error?: string
  readonly errorPhase?: string
  /** Microseconds by phase. */
  readonly phases?: Readonly<Record<string, number>>
}

/** A span as Hopscope sends it. */
function call({ what, status, error, errorPhase, phases = {}, ...rest }: Call): ReceivedSpan {
  const [method, path] = what.split(' ')
  const given = Object.entries({
    'hopscope.direction': 'edge',
    'http.request.method': method,
    'url.path': path,
    'http.response.status_code': status,
    'hopscope.error.code': error,
    'hopscope.error.phase': errorPhase,
    'hopscope.self_us': 100,
  }).filter((entry): entry is [string, string | number] => entry[1] !== undefined)
  const timed = Object.entries(phases).map(([phase, us]) => [`hopscope.phase.${phase}_us`, us] as const)
  return made({ ...rest, attributes: { ...Object.fromEntries(given), ...Object.fromEntries(timed) } })
}

function draw(spans: readonly ReceivedSpan[], options: Partial<WaterfallOptions> = {}): string {
  const full = { width: 100, color: false, unicode: true, slowUs: 100_000, ...options }
  return `\n${waterfall(traceTree(spans), spans[0]!.traceId, full).join('\n')}\n`
}

const chain = (paymentsMs: number, more: Partial<Call> = {}): ReceivedSpan[] => [
  call({
    ...{ spanId: WEB, service: 'web', what: 'GET /checkout/7', status: 200, ms: paymentsMs + 20 },
    phases: { queue: 2000, connect: 2000, send: 0, wait: paymentsMs * 1000 + 14_000, receive: 2000 },
  }),
  call({
    ...{ spanId: ORDERS, parentSpanId: WEB, service: 'orders', what: 'POST /orders', status: 201 },
    ...{ startMs: 8, ms: paymentsMs + 8, phases: { wait: paymentsMs * 1000 + 8000 } },
  }),
  call({
    ...{ spanId: PAYMENTS, parentSpanId: ORDERS, service: 'payments', what: 'POST /charges', status: 201 },
    ...{ startMs: 12, ms: paymentsMs, phases: { wait: paymentsMs * 1000 } },
    ...more,
  }),
]

test('three hops that are well', () => {
  assert.equal(
    draw(chain(20)),
    `
● GET /checkout/7 → 200   40.0 ms   11111111
  web          GET /checkout/7 200 ░░░▓▓▓█████───────────────────────────────────────███◂◂◂  40.0 ms
  └ orders     POST /orders    201            ██████────────────────────────────█████        28.0 ms
    └ payments POST /charges   201                 █████████████████████████████             20.0 ms
`,
  )
})

test('a slow hop is named, with its own time', () => {
  assert.equal(
    draw(chain(400)),
    `
▲ GET /checkout/7 → 200   420 ms   payments is slow: 400 ms   11111111
  web          GET /checkout/7 200 █────────────────────────────────────────────────   420 ms
  └ orders     POST /orders    201 █───────────────────────────────────────────────█   408 ms
    └ payments POST /charges   201  ███████████████████████████████████████████████    400 ms ▲ slow
`,
  )
})

test('a failing hop is named, and the caller that coped; ASCII', () => {
  const failing = chain(20, { status: 502, error: 'upstream_reset', errorPhase: 'wait', failed: true })
  assert.equal(
    draw(failing, { unicode: false }),
    `
x GET /checkout/7 -> 200   40.0 ms   payments failed: upstream_reset (wait), orders coped   11111111
  web          GET /checkout/7 200 qqcc####---------------------------##rr  40.0 ms
  \`-orders     POST /orders    201        #####-------------------####      28.0 ms
    \`-payments POST /charges   502            ####################          20.0 ms x upstream_reset
`,
  )
})

test('of several failed hops the lowest is to blame', () => {
  const [web, orders, payments] = chain(20, { status: 500, failed: true }) as [ReceivedSpan, ReceivedSpan, ReceivedSpan]
  const failed = { code: 'error', message: '' } as const
  const lines = draw([{ ...web, status: failed }, { ...orders, status: failed }, payments])
  assert.match(lines, /^✗ GET \/checkout\/7 → 200 .* payments answered 500 {3}11111111$/m)
})

test('tries of a retried call, and a hop that sent no span', () => {
  const attributes = { 'http.request.method': 'GET', 'hopscope.error.code': 'upstream_reset' }
  const spans = [
    call({ spanId: WEB, service: 'web', what: 'GET /a', status: 200, ms: 30, phases: { queue: 10_000, wait: 19_000 } }),
    made({ spanId: OTHER, parentSpanId: WEB, service: 'web', kind: 'client', ms: 8, failed: true, attributes }),
    call({
      ...{ spanId: ORDERS, parentSpanId: PAYMENTS, service: 'stock', what: 'GET /b', status: 200 },
      ...{ startMs: 14, ms: 12, phases: { wait: 12_000 } },
    }),
  ]
  assert.equal(
    draw(spans),
    `
● GET /a → 200   30.0 ms   11111111
  web     GET /a         200 ────────────░░░█████████████████████████████·  30.0 ms tried again
  └ try 1                err ████████████                                   8.00 ms ✗ upstream_reset
  ?       (sent no span)                          ··················        12.0 ms
  └ stock GET /b         200                      ██████████████████        12.0 ms
`,
  )
})

test('who was called by a try that failed is to blame, not who tried', () => {
  const tried = (spanId: string, startMs: number, attempt: number): ReceivedSpan => {
    const attributes = { 'http.request.method': 'GET', 'http.response.status_code': 500, 'hopscope.attempt': attempt }
    const resent = attempt > 1 ? { 'http.request.resend_count': attempt - 1 } : {}
    return made({
      ...{ spanId, parentSpanId: WEB, service: 'web', kind: 'client', startMs, ms: 10, failed: true },
      attributes: { ...attributes, ...resent },
    })
  }
  const lines = draw([
    call({ spanId: WEB, service: 'web', what: 'GET /a', status: 500, ms: 30, failed: true }),
    tried(OTHER, 0, 1),
    tried(ORDERS, 10, 2),
    call({
      ...{ spanId: PAYMENTS, parentSpanId: ORDERS, service: 'stock', what: 'GET /b', status: 500, failed: true },
      ...{ startMs: 12, ms: 6 },
    }),
  ])
  assert.match(lines, /^✗ GET \/a → 500 .* stock answered 500 {3}11111111$/m)
})

test('colours are around the same text', () => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  const bare = draw(chain(400), { color: true }).replaceAll(/\x1b\[[\d;]*m/g, '')
  assert.equal(bare, draw(chain(400)))
  assert.ok(draw(chain(400), { color: true }).includes('\x1b[33m'), 'the slow hop is yellow')
})

test('the legend names every part within the width', () => {
  assert.deepEqual(legend(new Look({ color: false, unicode: false }), 80), [
    '## service at work  -- hop below  qq queue  dd dns  cc connect  tt tls  ss send',
    'rr receive  .. hopscope',
  ])
})

test('nothing from the network steers the terminal, and no line is wider than it', () => {
  const spans = [
    ...chain(20),
    call({
      ...{ spanId: OTHER, parentSpanId: PAYMENTS, service: '\x1b]0;owned\x07日本語のサービス名はとても長い名前です' },
      ...{ what: `GET /${'\x1b[2J\u202e\r\n'.repeat(40)}`, status: 500, failed: true, error: '\x9b31m', startMs: 15 },
    }),
  ]
  for (const unicode of [true, false]) {
    for (let width = 40; width <= 200; width += 7) {
      const lines = draw(spans, { width, unicode }).trim().split('\n')
      assert.equal(lines.length, 5)
      for (const line of lines) {
        assert.doesNotMatch(line, /[\p{Cc}\p{Cf}]/u)
        assert.ok(columnsOf(line) <= width, `${columnsOf(line)} of ${width}: ${line}`)
      }
    }
  }
})

test('a trace of thousands of spans is drawn in a few rows', () => {
  const spans = Array.from({ length: 3000 }, (_, i) =>
    made({ spanId: String(i).padStart(16, '0'), parentSpanId: i === 0 ? '' : String(i - 1).padStart(16, '0') }),
  )
  const lines = draw(spans).trim().split('\n')
  assert.equal(lines.length, 42)
  assert.match(lines.at(-1)!, /2960 more spans/)
})
