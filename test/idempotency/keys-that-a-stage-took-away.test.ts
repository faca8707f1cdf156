import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HeaderBlock } from '../../src/core/headers.ts'
import { knownId } from '../../src/core/known-names.ts'
import { readKey } from '../../src/stages/idempotency/key.ts'

/** As received: one Idempotency-Key for each of `keys`. */
function received(...keys: string[]): HeaderBlock {
  const name = 'Idempotency-Key'
  const block = new HeaderBlock()
  let text = ''
  for (const key of keys) {
    const [start, value] = [text.length, text.length + name.length + 2]
    block.push(start, start + name.length, value, value + key.length, knownId('idempotency-key'), true)
    text += `${name}: ${key}\r\n`
  }
  block.seal(text)
  return block
}

test('keys that a stage before took away do not count, however many came', () => {
  for (const keys of [[], ['a'], ['a', 'b']]) {
    const block = received(...keys)
    block.delete('Idempotency-Key')
    assert.deepEqual(readKey(block), { kind: 'none' })
  }
  const block = received('a', 'b')
  assert.equal(readKey(block).kind, 'fault')
  block.dropAt(0)
  assert.deepEqual(readKey(block), { kind: 'key', key: 'b' })
})
