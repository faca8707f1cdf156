import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type SpanNode, traceTree } from '../../src/aggregator/trace-tree.ts'
import { type Trace, TraceStore, type TraceStoreOptions } from '../../src/aggregator/traces.ts'
import { made } from './made-spans.ts'

const trace = (digit: number): string => digit.toString(16).padStart(32, '0')

function storing(options: Omit<TraceStoreOptions, 'onQuiet'>): { store: TraceStore; quiet: Trace[] } {
  const quiet: Trace[] = []
  return { store: new TraceStore({ ...options, onQuiet: (one) => quiet.push(one) }), quiet }
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + 5000
  while (!holds()) {
    if (performance.now() > end) throw new Error(`not in time: ${what}`)
    await sleep(10)
  }
}

const shape = ({ spanId, span, children }: SpanNode): unknown =>
  children.length === 0 ? spanId : { [span === undefined ? `gap ${spanId}` : spanId]: children.map(shape) }

test('a trace is handed on when quiet, and again with all its spans when a late one comes', async () => {
  const { store, quiet } = storing({ quietMs: 60 })
  store.add([made({ spanId: 'b', parentSpanId: 'a' })])
  store.add([made({ spanId: 'a' })])
  await until('the first time', () => quiet.length === 1)
  assert.deepEqual([...quiet[0]!.spans.keys()], ['b', 'a'])
  store.add([made({ spanId: 'c', parentSpanId: 'a' })])
  await until('the second time', () => quiet.length === 2)
  assert.equal(quiet[1], quiet[0])
  assert.deepEqual([...quiet[1]!.spans.keys()], ['b', 'a', 'c'])
  store.close()
})

test('while a parent is missing it waits longer, and is handed on all the same', async () => {
  const { store, quiet } = storing({ quietMs: 50, incompleteQuietMs: 500 })
  store.add([made({ spanId: 'child', parentSpanId: 'away', traceId: trace(1) })])
  store.add([made({ spanId: 'root', traceId: trace(2) })])
  await until('both', () => quiet.length === 2)
  assert.deepEqual(
    quiet.map(({ traceId, complete }) => [traceId, complete]),
    [
      [trace(2), true],
      [trace(1), false],
    ],
  )
  store.close()
})

test('a span that comes twice counts once, and a repeated one alone hands on nothing', async () => {
  const { store, quiet } = storing({ quietMs: 50 })
  store.add([made({ spanId: 'a' }), made({ spanId: 'a', name: 'again' })])
  await until('quiet', () => quiet.length === 1)
  store.add([made({ spanId: 'a' })])
  store.add([made({ spanId: 'z', traceId: trace(9) })])
  await until('the other trace', () => quiet.length === 2)
  assert.equal(quiet[1]!.traceId, trace(9))
  assert.equal(quiet[0]!.spans.get('a')?.name, 'GET')
  assert.equal(store.counters.duplicates, 2)
  store.close()
})

test('traces, spans of a trace and bytes are bounded; the longest untouched trace goes first', () => {
  const { store } = storing({ maxTraces: 3, maxSpansPerTrace: 2 })
  for (const digit of [1, 2, 3]) store.add([made({ spanId: 'a', traceId: trace(digit) })])
  store.add([made({ spanId: 'b', traceId: trace(1) }), made({ spanId: 'c', traceId: trace(1) })])
  store.add([made({ spanId: 'a', traceId: trace(4) })])
  assert.deepEqual(
    [1, 2, 3, 4].map((digit) => store.get(trace(digit))?.spans.size),
    [2, undefined, 1, 1],
  )
  assert.equal(store.get(trace(1))?.overflow, 1)
  assert.deepEqual(store.counters, { duplicates: 0, overflowing: 1, evicted: 1, evictedUnseen: 1 })
  store.close()

  const bytes = storing({ maxBytes: 1000 }).store
  for (let digit = 1; digit <= 40; digit++) {
    bytes.add([made({ spanId: 'a', traceId: trace(digit), wireBytes: 300 })])
    assert.ok(bytes.bytes <= 1000, `${bytes.bytes}`)
  }
  assert.equal(bytes.size, 3)
  bytes.close()
})

test('a missing parent is a gap over its children, and siblings stand by their start', () => {
  const [gap, ...others] = traceTree([
    made({ spanId: 'late', parentSpanId: 'away', startMs: 20, ms: 5 }),
    made({ spanId: 'early', parentSpanId: 'away', startMs: 10, ms: 2 }),
    made({ spanId: 'leaf', parentSpanId: 'early', startMs: 11 }),
  ])
  assert.equal(others.length, 0)
  assert.deepEqual(shape(gap!), { 'gap away': [{ early: ['leaf'] }, 'late'] })
  assert.equal(gap!.endNs - gap!.startNs, 15_000_000n)
})

test('spans in a ring are all drawn once, and ten thousand levels are no recursion', () => {
  const ids = (roots: readonly SpanNode[]): string[] => {
    const walk = [...roots]
    for (const node of walk) walk.push(...node.children)
    return walk.flatMap(({ span }) => (span === undefined ? [] : [span.spanId])).sort()
  }
  const ring = [
    made({ spanId: 'a', parentSpanId: 'c' }),
    made({ spanId: 'b', parentSpanId: 'a' }),
    made({ spanId: 'c', parentSpanId: 'b' }),
    made({ spanId: 'self', parentSpanId: 'self' }),
  ]
  assert.deepEqual(ids(traceTree(ring)), ['a', 'b', 'c', 'self'])
  const deep = Array.from({ length: 10_000 }, (_, i) =>
    made({ spanId: `${i}`, parentSpanId: i === 0 ? '' : `${i - 1}` }),
  )
  assert.equal(ids(traceTree(deep)).length, 10_000)
})
