import assert from 'node:assert/strict'
import test from 'node:test'
import { ERROR_CODES } from '../../src/core/errors.ts'
import { hopscope } from './support.ts'

test('explain says status, blame, retry, meaning and what to check', async () => {
  const { code, stdout } = await hopscope(['explain', 'connect_timeout'])
  assert.equal(code, 0)
  const { title, means, check } = ERROR_CODES.connect_timeout
  for (const part of ['504', 'the upstream', 'may be repeated', title, means, check]) {
    assert.ok(stdout.includes(part), part)
  }
})

test('explain lists every code where none is given', async () => {
  const { code, stdout } = await hopscope(['explain'])
  assert.equal(code, 0)
  assert.deepEqual(
    stdout
      .trim()
      .split('\n')
      .map((line) => line.split(' ')[0]),
    Object.keys(ERROR_CODES),
  )
})

test('explain of an unknown code suggests one and exits 2', async () => {
  const { code, stdout, stderr } = await hopscope(['explain', 'conect_timeout'])
  assert.deepEqual([code, stdout], [2, ''])
  assert.match(stderr, /did you mean connect_timeout\?/)
  assert.equal((await hopscope(['explain', 'constructor'])).code, 2)
})
