import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

test('help whose reader has left ends without a word', () => {
  const cli = `"${process.execPath}" build/cli/main.js`
  // A pipe holds 64 KiB: all texts together are more than that.
  const script = `(${cli} explain; ${cli} proxy --help; ${cli} check-config --help) | head -n 1`
  const { status, stdout, stderr } = spawnSync('sh', ['-c', script], { encoding: 'utf8', timeout: 30_000 })
  assert.equal(status, 0)
  assert.equal(stdout.trimEnd().split('\n').length, 1)
  assert.doesNotMatch(stderr, /EPIPE|Error|at /)
})
