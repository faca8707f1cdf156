import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { PassingMap } from '../../src/core/passing-map.ts'

const act = fc.record({
  do: fc.constantFrom('set', 'set', 'delete', 'clear'),
  key: fc.integer({ min: 0, max: 30 }).map(String),
})

test('it holds what a Map of the engine would, in its order', () => {
  fc.assert(
    fc.property(fc.array(act, { maxLength: 100 }), (acts) => {
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
        assert.deepEqual([...passing.entries()], [...map.entries()])
        assert.deepEqual([...passing.values()], [...map.values()])
      }
    }),
    { numRuns: 200 },
  )
})
