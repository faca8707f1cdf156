import assert from 'node:assert/strict'
import test from 'node:test'
import { DIAGNOSES } from '../../src/core/diagnoses.ts'
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

test('explain of a diagnosis says what it means, what shows it, and what to check next', async () => {
  const { code, stdout } = await hopscope(['explain', 'slow_service'])
  assert.equal(code, 0)
  const { title, means, evidence, check } = DIAGNOSES.slow_service
  for (const part of ['application', title, means, evidence, check]) assert.ok(stdout.includes(part), part)
  // A name of both tables gives both.
  assert.match((await hopscope(['explain', 'connect_timeout'])).stdout, /Status {2}504[\s\S]*Domain {2}network/)
})

test('explain lists every code and diagnosis where none is given', async () => {
  const { code, stdout } = await hopscope(['explain'])
  assert.equal(code, 0)
  assert.deepEqual(
    stdout
      .trim()
      .split('\n')
      .map((line) => line.split(' ')[0]),
    [...Object.keys(ERROR_CODES), '', 'Diagnoses:', ...Object.keys(DIAGNOSES)],
  )
})

test('explain of an unknown code suggests one and exits 2', async () => {
  const { code, stdout, stderr } = await hopscope(['explain', 'conect_timeout'])
  assert.deepEqual([code, stdout], [2, ''])
  assert.match(stderr, /did you mean connect_timeout\?/)
  assert.equal((await hopscope(['explain', 'constructor'])).code, 2)
})
