import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Names } from '../../src/aggregator/intake/names.ts'

test('a name keeps its number when the buffer that it was read from holds something else', () => {
  const names = new Names()
  const memory = Buffer.alloc(64)
  memory.write('orders')
  const id = names.idOf(memory, 0, 6)
  memory.fill(0)
  memory.write('orders', 20)
  assert.equal(names.idOf(memory, 20, 26), id)
  assert.equal(names.size, 3)
})
