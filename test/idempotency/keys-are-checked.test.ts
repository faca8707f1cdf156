import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseKey } from '../../src/stages/idempotency/key.ts'
import { field } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { problem } from '../support/proxy.ts'
import { keyedChain } from './support.ts'

test('quoted and bare keys are one', () => {
  const same: [string, string][] = [
    ['"8e03978e-40d5-43dd-bc93-6894a57f9324"', '8e03978e-40d5-43dd-bc93-6894a57f9324'],
    ['"a"; v=1;w', 'a'],
    ['"a b"', 'a b'],
    ['"a\\"b\\\\"', 'a"b\\'],
    ['abc+/=:;@', 'abc+/=:;@'],
    ['x'.repeat(255), 'x'.repeat(255)],
    [`"${'x'.repeat(255)}"`, 'x'.repeat(255)],
  ]
  for (const [value, key] of same) assert.deepEqual(parseKey(value), { kind: 'key', key }, value)
})

test('what is no key says why', () => {
  for (const value of [
    '',
    '""',
    '"a',
    'a"b',
    '"a"b',
    '"a\\b"',
    '"ä"',
    'ä',
    'a b',
    'a,b',
    '"a", "b"',
    '"\u007f"',
    'x'.repeat(256),
    `"${'x'.repeat(256)}"`,
  ]) {
    const reading = parseKey(value)
    assert.equal(reading.kind, 'fault', value)
    assert.ok(reading.kind === 'fault' && reading.fault.length > 5)
  }
})

test('any string of 1 to 255 printable characters comes back from its quoted form', () => {
  const printable = fc.string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)) })
  fc.assert(
    fc.property(printable, (text) => {
      const key = text.slice(0, 255)
      const reading = parseKey(`"${key.replace(/["\\]/g, '\\$&')}"`)
      assert.deepEqual(reading, key === '' ? { kind: 'fault', fault: 'it is empty' } : { kind: 'key', key })
    }),
  )
})

test('a bad key is refused before anything is forwarded, and is not repeated in the answer', async (t) => {
  const { ask, origin, proxy } = await keyedChain(t, await Origin.answering(() => ok('x')))
  for (const headers of [
    'Idempotency-Key: sec ret\r\n',
    'Idempotency-Key:\r\n',
    'Idempotency-Key: sec1\r\nidempotency-key: sec1\r\n',
  ]) {
    const response = await ask({ headers })
    assert.equal(response.status, 400)
    assert.equal(field(response, 'content-type'), 'application/problem+json')
    assert.equal(problem(response.body).code, 'idempotency_key_invalid')
    assert.doesNotMatch(response.body, /sec/)
  }
  assert.equal(origin.requests.length, 0)
  assert.ok((await proxy.finished(3)).every(({ idempotency }) => idempotency === 'refused'))
})

test('a missing key is refused where it is required', async (t) => {
  const routes = JSON.stringify([{ path: '/pay/**', mode: 'require' }])
  const flags = { 'idempotency.routes': routes }
  const { ask, origin } = await keyedChain(t, await Origin.answering(() => ok('x')), { flags })
  const missing = await ask({ path: '/pay/1' })
  assert.equal(missing.status, 400)
  assert.equal(JSON.parse(missing.body).title, 'Idempotency-Key is missing')
  assert.equal((await ask({ path: '/other' })).status, 200)
  assert.equal((await ask({ path: '/pay/1', key: 'k' })).status, 200)
  assert.equal(origin.requests.length, 2)
})

test('a key without a principal is refused, or scoped by address', async (t) => {
  const strict = await keyedChain(t, await Origin.answering(() => ok('x')))
  const refused = await strict.ask({ key: 'k', authorization: '' })
  assert.equal(refused.status, 400)
  assert.equal(problem(refused.body).code, 'idempotency_no_principal')
  const lenient = await keyedChain(t, await Origin.answering((_request, nth) => ok(`made ${nth}`)), {
    flags: { 'idempotency.withoutPrincipal': 'address' },
  })
  for (let i = 0; i < 2; i++) assert.equal((await lenient.ask({ key: 'k', authorization: '' })).body, 'made 0')
  assert.equal((await lenient.ask({ key: 'k' })).body, 'made 1', 'a principal is never an address')
})
