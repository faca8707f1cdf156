import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { PathPattern } from '../../src/stages/idempotency/path-pattern.ts'
import { CompiledPolicy, Policies, type Policy } from '../../src/stages/idempotency/policy.ts'
import { field } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { keyedChain } from './support.ts'

const DEFAULTS: Policy = {
  mode: 'honour',
  ttlMs: 1000,
  waitMs: 1,
  maxBodyBytes: 1,
  maxResponseBytes: 1,
  release: ['429', '5xx'],
  onStoreDown: undefined,
  onUnknown: 'refuse',
  principal: 'authorization',
}

test('patterns stand for whole paths', () => {
  const fits: [string, string[], string[]][] = [
    ['/a', ['/a'], ['/a/', '/ab', '/x/a']],
    ['/a/*', ['/a/b', '/a/'], ['/a', '/a/b/c']],
    ['/a/**', ['/a/', '/a/b/c'], ['/a', '/b/a/']],
    ['/a/*/c', ['/a/b/c'], ['/a/b/d/c']],
    ['/a.b(c)', ['/a.b(c)'], ['/axb(c)']],
    ['/**', ['/', '/a/b'], []],
  ]
  for (const [glob, yes, no] of fits) {
    const pattern = new PathPattern(glob)
    for (const path of yes) assert.ok(pattern.test(path), `${path} is of ${glob}`)
    for (const path of no) assert.ok(!pattern.test(path), `${path} is not of ${glob}`)
  }
})

test('any pattern says what a regular expression would', () => {
  const letters = (...of: string[]): fc.Arbitrary<string> =>
    fc.array(fc.constantFrom(...of), { maxLength: 12 }).map((parts) => `/${parts.join('')}`)
  fc.assert(
    fc.property(
      letters('a', 'b', '/', '*', '**'),
      fc.array(letters('a', 'b', '/'), { maxLength: 8 }),
      (glob, paths) => {
        const pattern = new PathPattern(glob)
        const oracle = new RegExp(`^${glob.replace(/\*\*?/g, (star) => (star === '*' ? '[^/]*' : '.*'))}$`)
        for (const path of paths) assert.equal(pattern.test(path), oracle.test(path), `${path} and ${glob}`)
      },
    ),
  )
})

test('a long path costs no more than its length, however many stars there are', () => {
  // As a regular expression: minutes in which nothing else happens.
  assert.ok(!new PathPattern('/**/a/**/b/**/c').test(`${'/a/b'.repeat(5000)}/`))
})

test('the first rule that fits decides, and takes the rest from the defaults', () => {
  const policies = new Policies(
    DEFAULTS,
    ['POST', 'PATCH'],
    [
      { path: '/a/off', mode: 'off' },
      { path: '/a/**', ttlMs: 5 },
      { methods: ['DELETE'], mode: 'require' },
    ],
  )
  assert.equal(policies.of('POST', '/a/off'), undefined)
  assert.equal(policies.of('POST', '/a/b?c=/x')?.ttlMs, 5)
  assert.equal(policies.of('POST', '/b')?.ttlMs, 1000)
  assert.equal(policies.of('PUT', '/a/b'), undefined)
  assert.equal(policies.of('DELETE', '/a/b')?.mode, 'require')
  assert.deepEqual(
    ['POST', 'PATCH', 'DELETE', 'PUT', 'GET'].map((method) => policies.concerns(method)),
    [true, true, true, false, false],
  )
  assert.equal(policies.requires, true)
  assert.equal(new Policies(DEFAULTS, ['POST'], []).requires, false)
})

test('a store that is down closes routes that require a key, and opens others, unless they say so', () => {
  const closed = (policy: Partial<Policy>): boolean => new CompiledPolicy({ ...DEFAULTS, ...policy }).closed
  assert.equal(closed({}), false)
  assert.equal(closed({ mode: 'require' }), true)
  assert.equal(closed({ onStoreDown: 'closed' }), true)
  assert.equal(closed({ mode: 'require', onStoreDown: 'open' }), false)
})

test('statuses by number and by class', () => {
  const policy = new CompiledPolicy(DEFAULTS)
  const released = [200, 400, 428, 429, 430, 500, 503, 599].filter((status) => policy.releases(status))
  assert.deepEqual(released, [429, 500, 503, 599])
})

test('rules of the configuration, through a proxy', async (t) => {
  const flags = {
    'idempotency.mode': 'off',
    'idempotency.routes': JSON.stringify([
      { methods: ['POST'], path: '/v1/*/refunds' },
      { methods: ['DELETE', 'PUT'], path: '/v1/**', mode: 'honour', ttlMs: 60_000, release: [404] },
    ]),
  }
  const { ask } = await keyedChain(t, await Origin.answering(() => ok('x')), { flags })
  const replays = async (method: string, path: string): Promise<boolean> => {
    const again = [await ask({ key: 'k', method, path }), await ask({ key: 'k', method, path })][1]!
    return field(again, 'idempotent-replayed') === 'true'
  }
  assert.equal(await replays('POST', '/v1/a/refunds'), false, 'the default mode holds in a rule that names none')
  assert.equal(await replays('DELETE', '/v1/a'), true)
  assert.equal(await replays('PUT', '/v1/a?b=c'), true)
  assert.equal(await replays('PUT', '/v2/a'), false)
})
