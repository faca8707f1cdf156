import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newTraceId } from '../../src/core/ids.ts'
import { createSampler } from '../../src/telemetry/sampler.ts'

test('a caller decides for its trace, where that is asked for; the ratio decides for roots', () => {
  const none = createSampler({ ratio: 0, parentBased: true })
  assert.equal(none(1, newTraceId()), true)
  assert.equal(none(3, newTraceId()), true)
  assert.equal(none(2, newTraceId()), false)
  assert.equal(none(undefined, newTraceId()), false)
  const all = createSampler({ ratio: 1, parentBased: false })
  assert.equal(all(0, newTraceId()), true)
})

test('the ratio holds, is the same everywhere for a trace, and a higher one keeps what a lower one keeps', () => {
  const low = createSampler({ ratio: 0.1, parentBased: true })
  const high = createSampler({ ratio: 0.4, parentBased: true })
  let kept = 0
  for (let i = 0; i < 20_000; i++) {
    const id = newTraceId()
    if (low(undefined, id)) {
      kept++
      assert.equal(high(undefined, id), true)
    }
  }
  assert.ok(kept > 1700 && kept < 2300, `${kept} of 20000`)
  // th:fd70a4 is one percent (OpenTelemetry, probability sampling): kept from R = fd70a4… on.
  const one = createSampler({ ratio: 0.01, parentBased: true })
  assert.equal(one(undefined, '0123456789abcdef01fd70a3000000ff'), false)
  assert.equal(one(undefined, '0123456789abcdef01fd70a5000000ff'), true)
})
