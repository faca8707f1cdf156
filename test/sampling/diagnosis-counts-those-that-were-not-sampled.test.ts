import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isReady } from '../../src/aggregator/diagnosis/deviation.ts'
import { Learning, type Seen } from '../../src/aggregator/diagnosis/learning.ts'
import { Signature } from '../../src/aggregator/diagnosis/signature.ts'
import { SERVED, Signatures } from '../../src/aggregator/diagnosis/signatures.ts'
import type { QuietTrace, SpanFacts } from '../../src/aggregator/diagnosis/trace-window.ts'
import { countsOf } from '../../src/aggregator/diagnosis/window.ts'
import { Names } from '../../src/aggregator/intake/names.ts'

const [SHOP, STOCK, ROUTE] = [1, 2, 3]

/** A request to shop that calls stock; ids are those of one trace only. */
function trace(failed: boolean, weight: number, below: number): QuietTrace {
  const span = (id: number, parentId: number, service: number, kind: number, own: number, bad: boolean): SpanFacts => ({
    ...{ id, parentId, startUs: id * 10, durationUs: 1000 - id * 100, service, route: ROUTE, peer: 0, error: 0 },
    ...{ http: bad ? 500 : 200, kind, failed: bad, ours: true, phases: [], retransmitted: false },
    ...{ weight: own, counted: false, failure: 0, host: 0, resent: 0, bytes: 0, rare: undefined },
  })
  return {
    words: Uint32Array.of(1, 2, 3, 4),
    spans: [span(1, 0, SHOP, 2, weight, failed), span(2, 1, SHOP, 3, below, false), span(3, 2, STOCK, 2, below, false)],
  }
}

function figures(of: Signature): number[] {
  const { calls, failed, visible, lost } = countsOf(of, 100, 6, 0)
  return [calls, failed, visible, lost]
}

test('of a tenth of the healthy traces and all failed ones it learns the share that failed', () => {
  const signatures = new Signatures()
  const roots: Seen[] = []
  const learning = new Learning(new Names(), signatures, (seen) => roots.push(seen))
  for (let i = 0; i < 90; i++) learning.take(trace(false, 10, 10), 100)
  // Failed ones: of some the rest was sampled, of most it was written out by flight recorders.
  for (let i = 0; i < 20; i++) learning.take(trace(true, 1, i < 2 ? 10 : 0), 100)
  const shop = signatures.find(SERVED, SHOP, ROUTE)!.signature
  assert.deepEqual(figures(shop), [920, 20, 20, 0])
  const stock = signatures.find(SERVED, STOCK, ROUTE)!.signature
  assert.deepEqual(figures(stock), [920, 0, 0, 0])
  assert.equal(
    roots.reduce((sum, { weight }) => sum + weight, 0),
    920,
  )
})

test('weights that are no whole numbers add up, and few that stand for many are not taken for many', () => {
  const of = new Signature()
  const sample = { ownUs: 1000, totalUs: 1000, phases: [], failure: 0, visible: false, retransmitted: false }
  for (let i = 0; i < 300; i++) of.add({ ...sample, weight: 10 / 3 }, 100)
  assert.ok(Math.abs(countsOf(of, 100, 6, 0).calls - 1000) <= 1)
  const few = new Signature()
  for (let epoch = 0; epoch < 20; epoch++) {
    few.add({ ...sample, weight: 100 }, 100 + epoch)
    few.endEpoch(true, 1, 0)
  }
  assert.ok(few.learnt.calls >= 1800)
  assert.equal(isReady(few), false)
})

test('what an incident may show is told, so that it is stored; what is slow now and then is not', () => {
  const signatures = new Signatures()
  const shown: number[] = []
  const learning = new Learning(new Names(), signatures, () => {}, {
    ...{ onHop: () => {}, onRare: () => {}, onSlow: () => {} },
    onExample: ([first]) => shown.push(first!),
  })
  const shop = signatures.at(SERVED, SHOP, ROUTE)!
  shop.notableUs = 0
  learning.take(trace(false, 1, 1), 100)
  assert.deepEqual(shown, [])
  shop.deviated = true
  learning.take(trace(false, 1, 1), 101)
  assert.deepEqual(shown, [1])
})
