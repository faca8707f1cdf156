import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Redactor } from '../../src/telemetry/redact.ts'

const redactor = new Redactor(['My-Secret'])

test('secret parameters lose their values, in any case and encoding, and nothing else changes', () => {
  assert.equal(redactor.path('/a?X-Amz-Signature=1&x=2'), '/a?X-Amz-Signature=REDACTED&x=2')
  assert.equal(redactor.path('/a?sig=1&sig=2&y'), '/a?sig=REDACTED&sig=REDACTED&y')
  assert.equal(redactor.path('/a?%73ig=1&my-secret=b=c&&z=%zz'), '/a?%73ig=REDACTED&my-secret=REDACTED&&z=%zz')
  assert.equal(redactor.path('/a?%zz=1'), '/a?%zz=REDACTED')
  assert.equal(redactor.path('/a'), '/a')
})

test('the quick look never misses what the full one would replace', () => {
  const name = fc.oneof(
    fc.constantFrom('sig', 'TOKEN', 'page', 'My-Secret', '%74oken', 'x'),
    fc.string({ maxLength: 8 }),
  )
  const query = fc
    .array(fc.tuple(name, fc.string({ maxLength: 5 })))
    .map((all) => all.map((p) => p.join('=')).join('&'))
  fc.assert(
    fc.property(query, (text) => {
      const bytes = Buffer.from(text, 'latin1')
      const latin1 = bytes.toString('latin1')
      if (redactor.query(latin1) !== latin1) assert.ok(redactor.suspects(bytes, 0, bytes.length))
    }),
  )
})
