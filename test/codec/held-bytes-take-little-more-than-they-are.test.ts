import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HeldBytes } from '../../src/http/message/held-bytes.ts'

test('a large read that is kept takes its own size', () => {
  const held = new HeldBytes()
  const read = Buffer.alloc(128 * 1024, 'x')
  held.keep(read, 20 * 1024, read.length)
  assert.equal(held.length, 108 * 1024)
  assert.ok(held.bytes.length < held.length + 16 * 1024, `${held.bytes.length} bytes`)
})

test('bytes that trickle in are not copied again and again', () => {
  const held = new HeldBytes()
  const byte = Buffer.from('x')
  const memories = new Set<Buffer>()
  for (let i = 0; i < 128 * 1024; i++) {
    held.keep(byte, 0, 1)
    memories.add(held.bytes)
  }
  assert.equal(held.bytes.toString('latin1', 0, held.length), 'x'.repeat(128 * 1024))
  assert.ok(memories.size < 16, `${memories.size} times`)
})
