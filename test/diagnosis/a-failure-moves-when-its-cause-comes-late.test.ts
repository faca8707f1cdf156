import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Learning } from '../../src/aggregator/diagnosis/learning.ts'
import { CALL, SERVED, Signatures } from '../../src/aggregator/diagnosis/signatures.ts'
import { Judge } from '../../src/aggregator/diagnosis/suspects.ts'
import type { SpanFacts } from '../../src/aggregator/diagnosis/trace-window.ts'
import { countsOf } from '../../src/aggregator/diagnosis/window.ts'
import { Names } from '../../src/aggregator/intake/names.ts'

const names = new Names()
const [orders, route, peer, refused] = ['orders', '/place', 'ledger.mesh', 'connect_timeout'].map((text) =>
  names.add(text),
) as [...[number, number, number, number]]

const load = { perSecond: 10, usualPerSecond: 10, usualUs: 20_000 }

/** A place that failed twenty times of late, of which so many were explained by what came late. */
function suspect(signatures: Signatures, explained: number): number {
  const entry = signatures.at(SERVED, orders, route)!
  Object.assign(entry, { failures: 20, explained })
  const failing = { z: 20, calls: 40, failed: 20, excess: 4, usualShare: 0.01, seconds: 5 }
  const judge = new Judge(
    (name) => names.text(name),
    () => undefined,
  )
  const sight = { entry, failing, slower: undefined, losing: undefined }
  return judge.rank([sight], load, 100, () => 1)[0]!.harm
}

const span = (more: Partial<SpanFacts>): SpanFacts => ({
  ...{
    id: 1,
    parentId: 0,
    startUs: 0,
    durationUs: 1000,
    service: orders,
    route,
    peer: 0,
    error: 0,
    http: 502,
    kind: 2,
  },
  ...{
    failed: true,
    ours: true,
    phases: [],
    host: 0,
    resent: 0,
    bytes: 0,
    rare: undefined,
    counted: false,
    failure: 0,
  },
  ...more,
})

test('a failed call that is told of after its caller takes the failure from it', () => {
  const signatures = new Signatures()
  const learning = new Learning(names, signatures, () => {})
  const trace = { words: new Uint32Array(4), spans: [span({})] }
  const failed = (kind: 0 | 1, other: number): number =>
    countsOf(signatures.find(kind, orders, other)!.signature, 100, 6, 0).failed
  learning.take(trace, 100)
  assert.equal(failed(SERVED, route), 1)
  trace.spans.push(span({ id: 2, parentId: 1, kind: 3, peer, error: refused, durationUs: 900 }))
  learning.take(trace, 100)
  assert.deepEqual([failed(SERVED, route), failed(CALL, peer)], [0, 1])
  // Looked at once more, nothing is counted twice.
  learning.take(trace, 100)
  assert.deepEqual([failed(SERVED, route), failed(CALL, peer)], [0, 1])
})

test('a place whose failures turn out to be those of another is not blamed for the next ones either', () => {
  const signatures = new Signatures()
  const learning = new Learning(names, signatures, () => {})
  const trace = { words: new Uint32Array(4), spans: [span({})] }
  learning.take(trace, 100)
  trace.spans.push(span({ id: 2, parentId: 1, kind: 3, peer, error: refused, durationUs: 900 }))
  learning.take(trace, 100)
  const { failures, explained } = signatures.find(SERVED, orders, route)!
  assert.deepEqual([failures, explained], [1, 1])
  assert.deepEqual([suspect(signatures, 0), suspect(signatures, 15), suspect(signatures, 20)], [0.4, 0.1, 0])
})
