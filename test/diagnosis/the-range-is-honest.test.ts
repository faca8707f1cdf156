/** The machinery of the chaos range: kinds, seeds that are held out, scores, and a fault asked for with a wrong onset. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { distractionOf } from '../../bench/rca/distractions.ts'
import { FAULT_KINDS, type Fault, faultsOf } from '../../bench/rca/faults.ts'
import { Random } from '../../bench/rca/random.ts'
import { HELD_OUT, type Result, rankOf, seedSet, summaryOf, table } from '../../bench/rca/score.ts'
import { simulateFault } from '../../bench/rca/simulate.ts'

test('seeds of the report are refused without it, and those for tuning with it', () => {
  assert.equal(seedSet(1, 10, false), 'tuning')
  assert.equal(seedSet(HELD_OUT, 10, true), 'held-out')
  assert.throws(() => seedSet(HELD_OUT, 1, false), /give --report/)
  assert.throws(() => seedSet(HELD_OUT - 1, 2, true), /of both sets/)
  assert.throws(() => seedSet(1, 1, true), /from 2000 on/)
})

test('a seed always gives the same fault, and what distracts from it is elsewhere', () => {
  for (const kind of FAULT_KINDS) {
    for (let seed = 1; seed <= 20; seed++) {
      const faults = faultsOf(kind, new Random(seed))
      assert.deepEqual(faults, faultsOf(kind, new Random(seed)))
      const { service } = distractionOf(new Random(seed), faults)
      assert.ok(
        faults.every((fault) => fault.service !== service && fault.from !== service),
        `${kind} ${seed}`,
      )
    }
  }
})

test('the rank is that of the cause that names what is at fault', () => {
  const fault: Fault = { kind: 'edge-delay', service: 'stock', from: 'catalog', route: '', size: 1 }
  const wrong = [
    { service: 'catalog', from: '' },
    { service: 'stock', from: 'shipping' },
  ]
  assert.equal(rankOf([...wrong, { service: 'stock.mesh', from: 'catalog' }], [fault], new Set()), 3)
  assert.equal(rankOf(wrong, [fault], new Set()), 99)
  // Without its sidecar the caller is what is seen.
  assert.equal(rankOf(wrong, [fault], new Set(['catalog'])), 1)
  const results = [1, 99].map((rank): Result => {
    const told = { told: [], evidence: [], named: 'network_slow', isNamed: rank === 1, shifted: { 60: rank } }
    return { kind: 'edge-delay', seed: rank, faults: [fault], rank, delayS: rank === 1 ? 4 : null, ...told }
  })
  const { top1, top3, meanRank, delayS, shifted } = summaryOf(results)
  assert.deepEqual([top1, top3, meanRank, delayS.most, shifted], [1, 1, 5.5, 4, { 60: { right: 1, asked: 2 } }])
  assert.match(table(results), /edge-delay +2 +50 % +50 % +5\.50 +50 %/)
})

test('slow names are found beside a deploy, and with an onset that is wrong by a minute either way', () => {
  const { rank, named, delayS, shifted } = simulateFault('dns-slow', { seed: 3, rate: 50 })
  assert.deepEqual([rank, named, shifted], [1, 'dns_slow', { '-60': 1, '60': 1 }])
  assert.ok(delayS !== null && delayS <= 10, `${delayS} s`)
})
