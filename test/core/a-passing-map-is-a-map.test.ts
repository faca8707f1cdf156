import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { PassingMap } from '../../src/core/passing-map.ts'

const act = fc.record({
  do: fc.oneof(
    { weight: 99, arbitrary: fc.constantFrom('set', 'set', 'delete') },
    { weight: 1, arbitrary: fc.constant('clear') },
  ),
  // Few that are told apart by their first letters, which alone are hashed; and enough for the table to grow.
  key: fc.oneof(
    fc.integer({ min: 0, max: 200 }).map(String),
    fc.integer({ min: 0, max: 20 }).map((n) => `the same first letters, ${n}`),
  ),
})

test('it holds what a Map of the engine would', () => {
  fc.assert(
    fc.property(fc.array(act, { maxLength: 400 }), (acts) => {
      const map = new Map<string, { n: number }>()
      const passing = new PassingMap<{ n: number }>()
      let n = 0
      for (const { do: what, key } of acts) {
        if (what === 'clear') {
          map.clear()
          passing.clear()
        } else if (what === 'delete') {
          const before = map.get(key)
          map.delete(key)
          assert.equal(passing.delete(key), before)
        } else {
          const value = { n: ++n }
          map.set(key, value)
          passing.set(key, value)
        }
        assert.equal(passing.size, map.size)
        assert.equal(passing.get(key), map.get(key))
        assert.deepEqual(new Map(passing.entries()), map)
        assert.deepEqual(new Set(passing.values()), new Set(map.values()))
      }
    }),
    { numRuns: 200 },
  )
})
