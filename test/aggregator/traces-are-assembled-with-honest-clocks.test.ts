import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assemble } from '../../src/aggregator/assembly/assemble.ts'
import { bestByPair, type ClockSample, driftOf } from '../../src/aggregator/assembly/clocks.ts'
import type { AssembledTrace, Hop } from '../../src/aggregator/assembly/hop.ts'
import { atOnce } from '../../src/aggregator/portions.ts'
import type { ReceivedSpan } from '../../src/aggregator/span.ts'
import { type Made, made } from './made-spans.ts'

const TRACE = '1'.repeat(32)

interface Options {
  readonly learnt?: readonly ClockSample[]
  readonly nowMs?: number
  readonly raw?: boolean
  readonly receivedMs?: (span: ReceivedSpan) => number
}

function assembled(spans: readonly Made[], options: Options = {}): AssembledTrace {
  const { learnt = [], nowMs = 100_000, raw = false, receivedMs = () => 1000 } = options
  const stored = spans.map(made).map((span) => ({ span, receivedMs: receivedMs(span) }))
  const servedBy = (peer: string): string | undefined => (peer === 'stock.mesh' ? 'stock' : undefined)
  return atOnce(assemble(stored, { traceId: TRACE, nowMs, learnt, raw, servedBy }))
}

const hop = ({ hops }: AssembledTrace, spanId: string): Hop => hops.find((one) => one.spanId === spanId)!
const near = (given: number, wanted: number): void => assert.ok(Math.abs(given - wanted) < 1, `${given}, not ${wanted}`)

/** web calls stock; the clock of stock is `skewMs` ahead, the way there 2 ms, the way back 2 ms. */
const call = (skewMs: number): Made[] => [
  { spanId: 'a', service: 'web', startMs: 0, ms: 100 },
  {
    spanId: 'b',
    parentSpanId: 'a',
    service: 'web',
    kind: 'client',
    startMs: 10,
    ms: 54,
    attributes: { 'server.address': 'stock.mesh' },
  },
  { spanId: 'c', parentSpanId: 'b', service: 'stock', startMs: 12 + skewMs, ms: 50 },
  { spanId: 'd', parentSpanId: 'c', service: 'stock', kind: 'internal', startMs: 22 + skewMs, ms: 5 },
]

test('a clock that is off is corrected by the trace itself, with what is uncertain, raw times kept', () => {
  const trace = assembled(call(-5000))
  assert.deepEqual(
    trace.hops.map(({ spanId, depth }) => [spanId, depth]),
    [
      ['a', 0],
      ['b', 1],
      ['c', 2],
      ['d', 3],
    ],
  )
  near(hop(trace, 'c').startUs, 12_000)
  near(hop(trace, 'd').startUs, 22_000)
  near(trace.durationUs, 100_000)
  near(hop(trace, 'c').uncertaintyUs, 2000)
  near(hop(trace, 'c').shiftUs, -5_000_000)
  assert.equal(hop(trace, 'c').rawStartNs, String(made(call(-5000)[2]!).startNs))
  const clock = trace.clocks.find(({ host }) => host === 'stock')!
  assert.deepEqual([clock.source, clock.applied, clock.samples], ['trace', true, 1])
  const raw = assembled(call(-5000), { raw: true })
  near(hop(raw, 'c').startUs - hop(raw, 'a').startUs, -4_988_000)
})

test('many hops know better than one', () => {
  const learnt = [{ client: 'stock', server: 'web', offsetUs: 5_001_500, uncertaintyUs: 40, samples: 900 }]
  const trace = assembled(call(-5000), { learnt })
  const clock = trace.clocks.find(({ host }) => host === 'stock')!
  assert.deepEqual([clock.offsetUs, clock.uncertaintyUs, clock.samples, clock.source], [-5_001_500, 40, 900, 'hops'])
  near(hop(trace, 'c').startUs, 13_500)
})

test('an offset that may as well be none is left alone', () => {
  const trace = assembled(call(1))
  near(hop(trace, 'c').startUs, 13_000)
  assert.equal(trace.clocks.find(({ host }) => host === 'stock')!.applied, false)
  assert.deepEqual(trace.findings, [])
})

test('time of its own and time on the way', () => {
  const trace = assembled(call(-5000))
  near(hop(trace, 'a').exclusiveUs, 46_000)
  near(hop(trace, 'b').exclusiveUs, 4000)
  near(hop(trace, 'c').exclusiveUs, 45_000)
  near(hop(trace, 'c').edgeUs!, 4000)
  assert.equal(hop(trace, 'b').edgeUs, null)
})

test('an order that cannot be is reported: a child before its caller, an answer longer than the wait for it', () => {
  const early = assembled([
    { spanId: 'a', service: 'web', startMs: 100, ms: 50 },
    { spanId: 'b', parentSpanId: 'a', service: 'web', kind: 'internal', startMs: 60, ms: 10 },
  ])
  assert.match(early.findings[0]!.text, /web began 40\.0 ms before its caller web/)
  assert.equal(early.findings[0]!.kind, 'impossible-order')
  const long = assembled([
    { spanId: 'a', service: 'web', kind: 'client', startMs: 0, ms: 10 },
    { spanId: 'b', parentSpanId: 'a', service: 'stock', startMs: 0, ms: 40 },
  ])
  assert.equal(long.findings[0]!.kind, 'longer-than-caller')
  assert.match(long.findings[0]!.text, /stock says it took 30\.0 ms longer than its caller web waited/)
})

test('missing parts are named', () => {
  const spans = call(0)
  const handover = assembled(spans.slice(0, 2))
  assert.equal(handover.findings[0]!.text, "seen at web's outbound, never at stock's inbound: handover failed")
  const failed = assembled([
    spans[0]!,
    {
      ...spans[1]!,
      failed: true,
      attributes: {
        'server.address': 'stock.mesh',
        'hopscope.error.code': 'connect_refused',
        'hopscope.error.phase': 'connect',
      },
    },
  ])
  assert.match(failed.findings[0]!.text, /handover failed \(connect_refused in connect\)/)
  const outside = assembled([spans[0]!, { ...spans[1]!, attributes: { 'server.address': 'api.example.com' } }])
  assert.deepEqual(outside.findings, [])
  const gap = assembled([spans[0]!, spans[2]!, spans[3]!])
  assert.deepEqual(
    gap.findings.map(({ kind, spanId }) => [kind, spanId]),
    [['missing-parent', 'b']],
  )
  assert.deepEqual([gap.state, hop(gap, 'b').gap], ['gaps', true])
})

test('states: open while spans come, then complete, gaps or rootless; late ones are marked', () => {
  const spans = call(0)
  assert.equal(assembled(spans).state, 'complete')
  assert.equal(assembled(spans.slice(1), { nowMs: 2000 }).state, 'open')
  assert.equal(assembled(spans.slice(1)).state, 'gaps')
  const late = assembled(spans, { receivedMs: ({ spanId }) => (spanId === 'd' ? 30_000 : 1000) })
  assert.equal(late.lateSpans, 1)
  assert.equal(hop(late, 'd').late, true)
})

test('phases of the proxy, never longer than the hop', () => {
  const attributes = {
    'hopscope.phase.connect_us': 300,
    'hopscope.phase.wait_us': 900,
    'hopscope.self_us': 20,
    'hopscope.direction': 'inbound',
  }
  const one = hop(assembled([{ spanId: 'a', ms: 1, attributes }]), 'a')
  assert.deepEqual(one.phases, [
    { phase: 'connect', us: 300 },
    { phase: 'wait', us: 700 },
  ])
  assert.deepEqual([one.selfUs, one.direction], [20, 'inbound'])
})

test('of both directions the surest sample counts; drift is told from noise', () => {
  const best = bestByPair([
    { client: 'a', server: 'b', offsetUs: 100, uncertaintyUs: 50, samples: 3 },
    { client: 'b', server: 'a', offsetUs: -120, uncertaintyUs: 10, samples: 2 },
  ])
  assert.deepEqual([...best.values()], [{ client: 'a', server: 'b', offsetUs: 120, uncertaintyUs: 10, samples: 5 }])
  const points = (slope: number, uncertaintyUs: number) =>
    Array.from({ length: 10 }, (_, i) => ({ atS: i * 60, offsetUs: 1000 + slope * i * 60, uncertaintyUs }))
  const drift = driftOf(points(50, 100))!
  near(drift.ppm, 50)
  assert.equal(drift.certain, true)
  assert.equal(driftOf(points(0.1, 100))!.certain, false)
  assert.equal(driftOf(points(1, 1).slice(0, 2)), undefined)
})

test('ten thousand hops deep and wide are no trouble', () => {
  const deep = Array.from({ length: 10_000 }, (_, i) => ({
    spanId: `${i}`,
    parentSpanId: i === 0 ? '' : `${i - 1}`,
    ms: 10,
  }))
  const wide = Array.from({ length: 10_000 }, (_, i) => ({
    spanId: `${i}`,
    parentSpanId: i === 0 ? '' : 'gone',
    ms: 10,
  }))
  for (const spans of [deep, wide]) {
    assert.ok(assembled(spans).hops.length >= 10_000)
  }
})

test('a span whose sender set no start does not stretch the trace to 1970', () => {
  const stored = [
    made({ spanId: 'a', ms: 100 }),
    { ...made({ spanId: 'b', parentSpanId: 'a' }), startNs: 0n, endNs: 0n },
  ]
  const given = stored.map((span) => ({ span, receivedMs: 1000 }))
  const trace = atOnce(assemble(given, { traceId: TRACE, nowMs: 100_000, learnt: [], servedBy: () => undefined }))
  assert.deepEqual([trace.durationUs, hop(trace, 'b').startUs, hop(trace, 'b').durationUs], [100_000, 0, 0])
})

test('a trace with as many spans as are read at most is told as cut, and its missing parents not as lost', () => {
  const spans = Array.from({ length: 50_000 }, (_, i) => ({ spanId: `s${i}`, service: 'web', startMs: i, ms: 1 }))
  assert.equal(assembled(spans).state, 'cut')
  assert.equal(assembled(spans.slice(1)).state, 'complete')
})
