import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newUuid } from '../../src/core/ids.ts'

test('ids made here are version 4 UUIDs, none of them twice', () => {
  const seen = new Set<string>()
  const digits = new Map<number, Set<string>>()
  for (let i = 0; i < 2000; i++) {
    const id = newUuid()
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    seen.add(id)
    for (let at = 0; at < id.length; at++) digits.set(at, (digits.get(at) ?? new Set()).add(id[at]!))
  }
  assert.equal(seen.size, 2000)
  for (const [at, found] of digits) {
    const expected = [8, 13, 14, 18, 23].includes(at) ? 1 : at === 19 ? 4 : 16
    assert.equal(found.size, expected, `digits at ${at}`)
  }
})
