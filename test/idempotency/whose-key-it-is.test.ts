import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Origin, ok } from '../support/origin.ts'
import { type Asked, keyedChain } from './support.ts'

const token = (claims: object): string =>
  `Bearer ${[{ alg: 'none' }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')}.sig`

/** Requests in groups: those of one group have one record, those of others have others. */
const groups: Record<string, Asked[][]> = {
  authorization: [
    [{ authorization: 'Bearer a' }, { authorization: 'Bearer a' }],
    [{ authorization: 'Bearer b' }],
    [{ authorization: 'Basic a' }],
    [{ authorization: 'Bearer a', headers: 'Authorization: Bearer b\r\n' }],
  ],
  'header:X-Tenant': [
    [{ headers: 'X-Tenant: one\r\n' }, { headers: 'x-tenant: one\r\n', authorization: 'Bearer other' }],
    [{ headers: 'X-Tenant: two\r\n' }],
    [{ headers: 'X-Tenant: one\r\nX-Tenant: two\r\n' }],
  ],
  'jwt:sub': [
    [{ authorization: token({ sub: 'a', exp: 1 }) }, { authorization: token({ sub: 'a', exp: 2 }) }],
    [{ authorization: token({ sub: 'b' }) }],
    [{ authorization: token({ sub: 'a', iss: 'elsewhere' }) }],
    [{ authorization: token({ sub: 7 }) }],
  ],
  address: [[{ authorization: 'Bearer a' }, { authorization: 'Bearer b' }]],
}

for (const [principal, expected] of Object.entries(groups)) {
  test(`principal ${principal}`, async (t) => {
    const { ask } = await keyedChain(t, await Origin.answering((_request, nth) => ok(`made ${nth}`)), {
      flags: { 'idempotency.principal': principal },
    })
    for (const [nth, group] of expected.entries()) {
      for (const asked of group) assert.equal((await ask({ key: 'k', ...asked })).body, `made ${nth}`)
    }
  })
}

test('tokens that have no such claim, or cannot be read, are no principal', async (t) => {
  const { ask } = await keyedChain(t, await Origin.answering(() => ok('x')), {
    flags: { 'idempotency.principal': 'jwt:sub' },
  })
  const two = `Authorization: ${token({ sub: 'b' })}\r\n`
  for (const asked of [
    { authorization: token({}) },
    { authorization: token({ sub: '' }) },
    { authorization: token({ sub: { a: 1 } }) },
    { authorization: 'Bearer not.a.token' },
    { authorization: 'Bearer x' },
    { authorization: 'Basic eyJ9.eyJ9.x' },
    { authorization: token({ sub: 'a' }), headers: two },
  ]) {
    assert.equal((await ask({ key: 'k', ...asked })).status, 400, JSON.stringify(asked))
  }
})
