import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  isConsistent,
  paddedThreshold,
  probabilityOf,
  randomnessOf,
  readOt,
  thresholdOf,
  withThreshold,
} from '../../src/core/sampling.ts'

const ALL = 2n ** 56n

test('thresholds are those of the specification', () => {
  // tracestate-probability-sampling.md and tracestate-handling.md of OpenTelemetry.
  const told: readonly (readonly [number, string])[] = [
    [1, '0'],
    [0.5, '8'],
    [0.25, 'c'],
    [0.1, 'e6666'],
    [1 / 3, 'aaaab'],
    [0.75, '4'],
  ]
  for (const [ratio, th] of told) assert.equal(thresholdOf(ratio), th, String(ratio))
  assert.equal(thresholdOf(0.01), 'fd70a4')
  assert.equal(probabilityOf('fd70a4').toFixed(6), '0.010000')
  assert.equal(probabilityOf('8'), 0.5)
  assert.equal(probabilityOf('0'), 1)
  assert.equal(randomnessOf('0123456789abcdef01fd70a3000000ff'), 'fd70a3000000ff')
})

test('any ratio is kept to one part in ten thousand, and as many traces pass as the threshold says', () => {
  fc.assert(
    fc.property(fc.double({ min: 1e-6, max: 1, noNaN: true }), (ratio) => {
      const th = thresholdOf(ratio)
      assert.match(th, /^(0|[0-9a-f]{0,13}[1-9a-f])$/)
      const share = probabilityOf(th)
      assert.ok(Math.abs(share - ratio) / ratio < 1e-3, `${ratio} became ${share}`)
      // Two more implementations: whole numbers, and fractions.
      const least = BigInt(`0x${th.padEnd(14, '0')}`)
      assert.equal(Number(ALL - least) / Number(ALL), share)
    }),
  )
})

test('texts compare as the numbers do, at the very threshold too', () => {
  const hex = fc.bigInt({ min: 0n, max: ALL - 1n }).map((n) => n.toString(16).padStart(14, '0'))
  fc.assert(
    fc.property(hex, fc.integer({ min: 1, max: 14 }), hex, (whole, digits, rv) => {
      const th = whole.slice(0, digits)
      const kept = BigInt(`0x${rv}`) >= BigInt(`0x${th.padEnd(14, '0')}`)
      assert.equal(rv >= paddedThreshold(th), kept)
      assert.equal(isConsistent(`ot=th:${th}`, `0123456789abcdef01${rv}`), kept)
    }),
  )
})

test('the threshold is put into the tracestate and leaves all else as it is', () => {
  assert.equal(withThreshold('', 'c'), 'ot=th:c')
  assert.equal(withThreshold('a=1,b=2', 'c'), 'ot=th:c,a=1,b=2')
  assert.equal(withThreshold('a=1,ot=p:8;th:8;rv:aaaaaaaaaaaaaa,b=2', 'c'), 'ot=th:c;p:8;rv:aaaaaaaaaaaaaa,a=1,b=2')
  assert.equal(withThreshold('a=1,ot=th:8', ''), 'a=1')
  assert.equal(withThreshold('ot=th:8', ''), '')
  assert.equal(withThreshold('a=1', ''), 'a=1')
  assert.deepEqual(readOt('a=1, ot=th:8;rv:aaaaaaaaaaaaaa'), { th: '8', rv: 'aaaaaaaaaaaaaa' })
  for (const bad of ['', 'ot=th:', 'ot=th:g', 'ot=th:0123456789abcde', 'xot=th:8', 'ot=rv:1', 'a=ot=th:8']) {
    assert.deepEqual(readOt(bad), { th: undefined, rv: undefined }, bad)
  }
  const many = Array.from({ length: 32 }, (_, i) => `k${i}=1`).join(',')
  assert.equal(withThreshold(many, '8').split(',').length, 32)
})
