import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HeaderBlock } from '../../src/core/headers.ts'
import { knownId } from '../../src/core/known-names.ts'
import { readB3 } from '../../src/stages/b3.ts'

function sampled(decision: string): boolean | undefined {
  const value = `4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-${decision}`
  const headers = new HeaderBlock()
  headers.push(0, 2, 4, 4 + value.length, knownId('b3'), true)
  headers.seal(`b3: ${value}\r\n`)
  return readB3(headers)!.sampled
}

test('a sampling decision that B3 does not know is none', () => {
  assert.deepEqual(['1', 'd', 'true', '0', 'false'].map(sampled), [true, true, true, false, false])
  assert.deepEqual(['yes', '', '__proto__', 'toString'].map(sampled), [undefined, undefined, undefined, undefined])
})
