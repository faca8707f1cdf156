import assert from 'node:assert/strict'
import test from 'node:test'
import { runtimeWarning } from '../../src/cli/runtime.ts'

test('a Node past its end of life or with known holes is warned of, a good one is not', () => {
  assert.match(runtimeWarning('20.20.2', new Date('2026-04-30')) ?? '', /no security fixes since 2026-04-30/)
  assert.equal(runtimeWarning('20.20.2', new Date('2026-04-29')), undefined)
  const day = new Date('2026-11-01')
  assert.match(runtimeWarning('24.18.0', day) ?? '', /known security holes; use 24\.18\.1/)
  assert.match(runtimeWarning('24.9.0', day) ?? '', /known security holes/)
  assert.equal(runtimeWarning('24.18.1', day), undefined)
  assert.equal(runtimeWarning('24.19.0', day), undefined)
  assert.equal(runtimeWarning('26.0.0', day), undefined)
  assert.equal(runtimeWarning('99.0.0', day), undefined)
})
