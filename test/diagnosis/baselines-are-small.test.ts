import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addTo, mergeInto, quantileIn, SKETCH, totalOf } from '../../src/aggregator/diagnosis/log-histogram.ts'
import { OWN, Signature } from '../../src/aggregator/diagnosis/signature.ts'
import { SERVED, Signatures } from '../../src/aggregator/diagnosis/signatures.ts'
import { aliveBytes } from '../support/heap.ts'

test('quantiles of a sketch are within an eighth, over seven orders of magnitude; old counts fade', () => {
  const sketch = new Uint16Array(2 * SKETCH)
  const values: number[] = []
  for (let i = 0; i < 10_000; i++) {
    const us = 10 ** (((i * 7919) % 10_000) / 1430 + 0.3)
    values.push(us)
    addTo(sketch, 0, us)
  }
  values.sort((a, b) => a - b)
  for (const share of [0.01, 0.25, 0.5, 0.9, 0.99]) {
    const exact = values[Math.floor(share * values.length)]!
    const near = quantileIn(sketch, 0, share)
    assert.ok(Math.abs(near - exact) < exact / 8, `${share}: ${near}, not ${exact}`)
  }
  for (let i = 0; i < 100_000; i++) addTo(sketch, 0, 50)
  assert.ok(Math.abs(quantileIn(sketch, 0, 0.5) - 50) < 7)
  assert.ok(totalOf(sketch, 0) < 16_384)
  mergeInto(sketch, SKETCH, 0)
  assert.ok(Math.abs(quantileIn(sketch, SKETCH, 0.5) - 50) < 7)
  assert.equal(quantileIn(new Uint16Array(SKETCH), 0, 0.5), 0)
})

const sample = (ownUs: number): Parameters<Signature['add']>[0] => ({
  ...{ ownUs, totalUs: ownUs, phases: [], failure: 0, visible: false },
})

test('ten thousand places are held in under 8 KiB each, further ones are counted', () => {
  const before = aliveBytes()
  const all = new Signatures()
  for (let i = 0; i < 10_000; i++) {
    const { signature } = all.at(SERVED, i, 1)!
    for (let n = 0; n < 5; n++) signature.add(sample(1000 + n * 100), 100 + n)
  }
  const each = (aliveBytes() - before) / 10_000
  assert.ok(each < 8192, `${each} bytes`)
  assert.equal(all.at(SERVED, 10_001, 1), undefined)
  assert.deepEqual([all.size, all.refused], [10_000, 1])
})

test('an epoch with a deviation teaches nothing, nor does the one before it', () => {
  const one = new Signature()
  const epoch = (us: number, good: boolean): void => {
    for (let i = 0; i < 20; i++) one.add(sample(us), 100)
    one.endEpoch(good, 15, 3)
  }
  for (let i = 0; i < 4; i++) epoch(1000, true)
  epoch(90_000, true) // it began here, and nobody saw it yet
  epoch(90_000, false)
  epoch(1000, true)
  epoch(1000, true)
  assert.ok(one.usual(OWN, 0.99) < 1300, `${one.usual(OWN, 0.99)}`)
  assert.ok(Math.abs(Math.exp(one.atHour(3)) - 1000) < 130)
  assert.ok(Number.isNaN(one.atHour(4)))
})

test('shares of failures are learnt by hour and by load too: what fails each night is usual at night', () => {
  const one = new Signature()
  const epoch = (failed: number, hour: number): void => {
    for (let i = 0; i < 100; i++) one.add({ ...sample(1000), failure: i < failed ? 1 : 0 }, 100)
    one.endEpoch(true, 10, hour)
  }
  for (let i = 0; i < 40; i++) epoch(0, 12)
  for (let i = 0; i < 15; i++) epoch(30, 3)
  for (let i = 0; i < 40; i++) epoch(0, 12)
  assert.ok(one.usualFailing(3, 100) > 0.2, `${one.usualFailing(3, 100)}`)
  assert.ok(one.usualFailing(12, 100) < 0.15, `${one.usualFailing(12, 100)}`)
})
