import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Names } from '../../src/aggregator/intake/names.ts'
import {
  allocateSegment,
  FRAME_HEADER_BYTES,
  type SegmentExtent,
  SegmentView,
} from '../../src/aggregator/intake/segment.ts'
import { SpanScan } from '../../src/aggregator/intake/span-scan.ts'
import { framesOf, sealFrame } from '../../src/aggregator/intake/wal.ts'
import { HeldSegments, segmentsHeld } from '../../src/aggregator/sampling/held-segments.ts'
import { RememberedTraces } from '../../src/aggregator/sampling/remembered-traces.ts'
import { hashOfTrace, TailSampler } from '../../src/aggregator/sampling/tail-sampler.ts'
import { COUNT_ATTRIBUTE, Thinner } from '../../src/aggregator/sampling/thin-segment.ts'
import { decodeRow } from '../../src/aggregator/store/block-reader.ts'
import type { SharedSegment } from '../../src/aggregator/store/protocol.ts'
import { encoded, type RawSpan } from '../aggregator/otlp-messages.ts'
import { rawSpan } from '../aggregator/raw-spans.ts'

const names = new Names()
const memory = allocateSegment()
const view = new SegmentView(memory)
const again = new SegmentView(allocateSegment())
const thinner = new Thinner()
const COLUMNS = [
  ...(['trace', 'span', 'parent', 'start', 'duration', 'service', 'host', 'name', 'route', 'peer', 'error'] as const),
  ...(['http', 'kind', 'status', 'weight', 'duplicate', 'scope', 'spanAt', 'spanEnd'] as const),
]

/** Requests written into a segment as the intake does. */
function segmentOf(into: SegmentView, requests: readonly Buffer[]): SharedSegment {
  const scan = new SpanScan(names)
  let [bytes, rows, scopes] = [0, 0, 0]
  for (const request of requests) {
    request.copy(into.raw, bytes + FRAME_HEADER_BYTES)
    sealFrame(into.raw, bytes, request.length, 1_000_000)
    const start = bytes + FRAME_HEADER_BYTES
    const end = start + request.length
    const scanned = scan.scan(into, { frameAt: bytes, start, end, row: rows, scope: scopes, received: 0 })
    assert.equal(scanned.fault, undefined)
    ;[bytes, rows, scopes] = [end, rows + scanned.rows, scopes + scanned.scopes]
  }
  return { memory: into.memory, sequence: 7, bytes, rows, scopes, baseMs: 1_000_000 }
}

const text = fc.string({ maxLength: 40 })
const span = fc
  .record({
    trace: fc.bigInt({ min: 1n, max: 2n ** 60n }),
    span: fc.integer({ min: 1, max: 1e9 }),
    text,
    th: fc.boolean(),
  })
  .map(({ trace, span, text, th }): RawSpan => {
    const wanted = { trace: trace.toString(16), span: span.toString(16), attributes: { text, 'http.route': '/x' } }
    return { ...rawSpan(wanted), ...(th && { trace_state: 'a=1,ot=th:0' }) }
  })
const scope = fc.record({ name: fc.option(text), spans: fc.array(span, { maxLength: 4 }) })
const resource = fc.record({ service: fc.option(text), scopes: fc.array(scope, { maxLength: 3 }) })
const request = fc.array(resource, { maxLength: 3 }).map((resources) =>
  encoded({
    resource_spans: resources.map(({ service, scopes }) => ({
      ...(service !== null && {
        resource: { attributes: [{ key: 'service.name', value: { string_value: service } }] },
      }),
      scope_spans: scopes.map(({ name, spans }) => ({ ...(name !== null && { scope: { name } }), spans })),
    })),
  }),
)

test('what is left of a segment reads back as what it was, from its columns and from its bytes', () => {
  fc.assert(
    fc.property(fc.array(request, { maxLength: 5 }), fc.array(fc.constantFrom(0, 0, 1, 10)), (requests, counts) => {
      const whole = segmentOf(view, requests)
      const countOf = (row: number): number => counts[row % counts.length] ?? 1
      const { view: thin, extent, dropped } = thinner.thin(view, whole, countOf)
      const kept = Array.from({ length: whole.rows }, (_, row) => row).filter((row) => countOf(row) > 0)
      assert.deepEqual([extent.rows, extent.sequence, dropped], [kept.length, 7, whole.rows - kept.length])
      for (const [own, row] of kept.entries()) {
        const [before, after] = [decodeRow(view, whole, row)!, decodeRow(thin, extent, own)!]
        const count = countOf(row)
        if (count !== 1) assert.equal(after.span.attributes.get(COUNT_ATTRIBUTE), count)
        const attributes = new Map([...after.span.attributes].filter(([key]) => key !== COUNT_ATTRIBUTE))
        const { wireBytes } = before.span
        assert.deepEqual({ ...after, span: { ...after.span, attributes, wireBytes } }, before)
        assert.equal(thin.weight[own], count)
      }
      const frames = [...framesOf(Buffer.from(thin.raw.subarray(0, extent.bytes)))]
      const read = segmentOf(
        again,
        frames.map(({ start, end }) => Buffer.from(thin.raw.subarray(start, end))),
      )
      assert.deepEqual([read.bytes, read.rows, read.scopes], [extent.bytes, extent.rows, extent.scopes])
      sameColumns(thin, again, extent)
    }),
    { numRuns: 60 },
  )
})

function sameColumns(a: SegmentView, b: SegmentView, { rows }: SegmentExtent): void {
  for (const name of COLUMNS) {
    const items = { trace: 4, span: 2, parent: 2, start: 2 }[name as string] ?? 1
    assert.deepEqual(a[name].slice(0, rows * items), b[name].slice(0, rows * items), name)
  }
}

test('a span counts for those that its threshold let go, if that can be', () => {
  const counted = (trace_state: string, trace: string, attributes: Record<string, number | boolean> = {}): number => {
    segmentOf(view, [
      encoded({
        resource_spans: [{ scope_spans: [{ spans: [{ ...rawSpan({ trace, span: '1', attributes }), trace_state }] }] }],
      }),
    ])
    return view.weight[0]!
  }
  const high = `${'1'.repeat(18)}e7${'0'.repeat(12)}`
  const low = `${'1'.repeat(18)}0f${'0'.repeat(12)}`
  assert.equal(counted('', high), 1)
  assert.equal(counted('ot=th:8', high), 2)
  assert.equal(counted('a=1,ot=p:3;th:c', high), 4)
  assert.equal(counted('ot=th:e6666', high).toFixed(3), '10.000')
  assert.equal(counted('ot=th:0', low), 1)
  // Kept by a threshold above its randomness: it was not.
  assert.equal(counted('ot=th:8', low), 1)
  assert.equal(counted(`ot=th:8;rv:${'f'.repeat(14)}`, low), 2)
  assert.equal(counted(`ot=th:8;rv:${'0'.repeat(14)}`, high), 1)
  assert.equal(counted('ot=th:ffffffffffffff', `${'1'.repeat(18)}${'f'.repeat(14)}`), 1e4)
  assert.equal(counted('ot=th:x', high), 1)
  assert.equal(counted('', low, { 'hopscope.recorded': true }), 0)
  assert.equal(counted('ot=th:8', low, { 'hopscope.recorded': true }), 0)
  assert.equal(counted('ot=th:0', low, { 'hopscope.recorded': true }), 1)
  assert.equal(counted('ot=th:8', high, { 'hopscope.adjusted_count': 12.5 }), 12.5)
  assert.equal(counted('ot=th:8', high, { 'hopscope.adjusted_count': -1 }), 2)
  assert.equal(counted('ot=th:8', high, { 'hopscope.adjusted_count': 2_000_000.5 }), 1e6)
})

test('a share is a share of any ids, sampled at the head or not', () => {
  const words = new Uint32Array(4)
  for (const [a, b] of [
    [1, 0],
    [0, 1],
  ] as const) {
    let kept = 0
    for (let i = 0; i < 40_000; i++) {
      // Ids that count up, and ids whose random bits passed a threshold.
      words.set([a * i, 0, b === 1 ? 0 : 7, b === 1 ? (0xff000000 | i) >>> 0 : i])
      if (hashOfTrace(words, 0) < 0.1 * 2 ** 32) kept++
    }
    assert.ok(Math.abs(kept - 4000) < 300, `${kept} of 40000`)
  }
})

test('late spans follow their trace, in bounded memory; under a flood segments are decided on early', () => {
  const sampler = new TailSampler({ share: 0, slowMs: 1000, slowTimes: 3, waitMs: 1000 }, () => 10_000)
  const of = (spans: readonly RawSpan[]): SharedSegment =>
    segmentOf(view, [encoded({ resource_spans: [{ scope_spans: [{ spans }] }] })])
  const note = (wanted: Parameters<typeof rawSpan>[0]): number => {
    const { rows } = of([rawSpan(wanted)])
    sampler.note(view, rows)
    return sampler.countOf(view.trace, 0)
  }
  assert.equal(note({ trace: 'a', span: '1' }), 0)
  assert.equal(note({ trace: 'a', span: '2', failed: true }), 1)
  assert.equal(note({ trace: 'a', span: '3' }), 1)
  assert.equal(note({ trace: 'b', span: '1', ms: 29, kind: 'server' }), 0)
  assert.equal(note({ trace: 'c', span: '1', ms: 31, kind: 'server' }), 1)
  assert.equal(note({ trace: 'd', span: '1', ms: 31, kind: 'client' }), 0)
  assert.equal(note({ trace: 'd', span: '1', ms: 1001, kind: 'client' }), 1)
  assert.equal(note({ trace: 'e', span: '1', attributes: { 'http.response.status_code': 503 } }), 1)
  sampler.keep(Uint32Array.of(0, 0, 0, 0xa1000000))
  assert.equal(note({ trace: 'a1', span: '1' }), 1)
  assert.equal(note({ trace: 'f', span: '1', attributes: { 'hopscope.recorded': true } }), 1)

  const few = new RememberedTraces(1024)
  const id = new Uint32Array(4)
  for (let i = 1; i <= 100_000; i++) {
    id.set([i, 0, i * 31, 5])
    few.add(id, 0)
    assert.ok(few.has(id, 0))
  }
  let known = 0
  for (let i = 100_000 - 512; i <= 100_000; i++) {
    id.set([i, 0, i * 31, 5])
    if (few.has(id, 0)) known++
  }
  assert.ok(known > 400, `${known} of the last 513`)

  assert.deepEqual([segmentsHeld(5000, 1000), segmentsHeld(60_000, 100), segmentsHeld(300, 1000)], [6, 32, 2])
  const held = new HeldSegments(1000, 2)
  const segment = of([])
  for (const sequence of [1, 2, 3]) held.add({ segment: { ...segment, sequence }, edges: [], sinceMs: sequence * 100 })
  assert.equal(held.due(400)?.segment.sequence, 1)
  held.done(400)
  assert.equal(held.early, 1)
  assert.equal(held.due(1100), undefined)
  assert.equal(held.due(1200)?.segment.sequence, 2)
  held.done(1200)
  assert.equal(held.due(1200, true)?.segment.sequence, 3)
  assert.equal(held.early, 1)
})
