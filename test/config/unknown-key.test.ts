import assert from 'node:assert/strict'
import test from 'node:test'
import { nearest } from '../../src/config/suggest.ts'
import { refused, tempFile } from './support.ts'

test('an unknown key is refused with what was likely meant', async (t) => {
  const file = tempFile(t, 'upsteam:\n  url: http://a\ntimeouts:\n  connect_ms: 5\nacceslog: all\nzebra: 1\n')
  const { faults } = await refused({ file })
  assert.deepEqual(
    faults.map(({ path, expected }) => [path, expected]),
    [
      ['upsteam', 'a known setting; did you mean upstream?'],
      ['timeouts.connect_ms', 'a known setting; did you mean timeouts.connectMs?'],
      ['acceslog', 'a known setting; did you mean accessLog?'],
      ['zebra', 'a known setting'],
    ],
  )
})

test('an unknown key of a group that is like none of its settings is told what there is', async (t) => {
  const { faults } = await refused({ file: tempFile(t, 'timeouts:\n  foo: 3\nnone:\n  such: 1\n') })
  assert.deepEqual(
    faults.map(({ path }) => path),
    ['timeouts.foo', 'none'],
  )
  assert.match(faults[0]!.expected, /^a known setting; timeouts has (\w+, )*connectMs, /)
})

test('a value where settings belong names them', async (t) => {
  const { faults } = await refused({ file: tempFile(t, 'upstream: http://localhost:3000\n') })
  assert.match(faults[0]!.expected, /settings beneath it: url, .*reuse, .*idleMs/)
})

test('the nearest name comes first, and far ones not at all', () => {
  assert.equal(nearest('LISTEN', ['listen', 'limits.headBytes'])[0], 'listen')
  assert.deepEqual(nearest('qqqqqqqq', ['listen']), [])
})
