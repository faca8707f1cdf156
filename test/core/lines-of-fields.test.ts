import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fieldsOf, linesOf } from '../../src/core/field-lines.ts'

const name = fc.string({ minLength: 1 }).map((text) => text.replace(/[:\r\n]/g, '-'))
const value = fc.string().map((text) => text.replace(/[\r\n]/g, ' '))

test('fields come back from their lines as they were', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value)), (fields) => assert.deepEqual(fieldsOf(linesOf(fields)), fields)),
  )
})

test('a line without an end is refused, and does not go on for ever', () => {
  for (const lines of ['a', 'a: b', 'a: b\r\nc: d', 'a: b\n']) assert.throws(() => fieldsOf(lines), RangeError)
})
