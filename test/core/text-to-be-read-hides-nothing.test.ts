import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shownJson, shownText } from '../../src/core/hidden-characters.ts'

test('what steers a terminal, turns text round or shows nothing is escaped; what people write is not', () => {
  assert.equal(shownText('a\u202eb\x1b[2J\n\u009b\u200bc'), 'a\\u202eb\\u001b[2J\\u000a\\u009b\\u200bc')
  for (const text of ['GET /x', 'größe', 'سلام', 'می\u200cخواهم', '支払い', '👩\u200d🚀 e\u0301'])
    assert.equal(shownText(text), text)
})

test('JSON stays JSON of the same values, on one line', () => {
  const value = { 'a\u2066': ['\u202e"\\\u009b\u2028', '\n', 'سلام'] }
  const shown = shownJson(`${JSON.stringify(value)}\n`)
  assert.deepEqual(JSON.parse(shown), value)
  assert.doesNotMatch(shown.slice(0, -1), /[\p{Cc}\p{Zl}\u202e\u2066]/u)
})
