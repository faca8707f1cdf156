import assert from 'node:assert/strict'
import test from 'node:test'
import { accepted, refused, tempFile } from './support.ts'

test('rules of routes are read from the file, and from text as JSON', async (t) => {
  const file = tempFile(
    t,
    [
      'idempotency:',
      '  store: file:/var/lib/hopscope',
      '  release: [401, 5xx]',
      '  routes:',
      '    - { path: /payments/**, mode: require, ttlMs: 172800000, onStoreDown: closed }',
      '    - { methods: [PUT, DELETE], path: /v1/*, release: [404], principal: "jwt:sub" }',
      '',
    ].join('\n'),
  )
  const { config } = await accepted({ file })
  assert.deepEqual(config.idempotency.release, ['401', '5xx'])
  assert.deepEqual(config.idempotency.routes, [
    { path: '/payments/**', mode: 'require', ttlMs: 172_800_000, onStoreDown: 'closed' },
    { methods: ['PUT', 'DELETE'], path: '/v1/*', release: ['404'], principal: 'jwt:sub' },
  ])
  const env = { HOPSCOPE_IDEMPOTENCY_ROUTES: '[{"path":"/a","mode":"off"}]', HOPSCOPE_IDEMPOTENCY_STORE: 'memory' }
  const text = await accepted({ env })
  assert.deepEqual(text.config.idempotency.routes, [{ path: '/a', mode: 'off' }])
})

test('every part of a rule that is wrong is named with its place', async (t) => {
  const file = tempFile(
    t,
    [
      'idempotency:',
      '  routes:',
      '    - { path: /a }',
      '    - { path: b, mode: maybe, ttl: 5 }',
      '    - { methods: [GET], release: [200] }',
      '',
    ].join('\n'),
  )
  const { faults } = await refused({ file })
  assert.deepEqual(
    faults.map(({ path, value }) => [path, value]),
    [
      ['idempotency.routes.1.path', '"b"'],
      ['idempotency.routes.1.mode', '"maybe"'],
      ['idempotency.routes.1', '{"path":"b","mode":"maybe","ttl":5}'],
      ['idempotency.routes.2.methods.0', '"GET"'],
      ['idempotency.routes.2.release.0', '200'],
    ],
  )
  assert.match(faults[1]!.expected, /one of off, honour, require/)
  assert.match(faults[2]!.expected, /a rule with any of methods, path, mode/)
})

test('what settings accept and refuse', async () => {
  const refusedBy = async (flag: string, value: string): Promise<boolean> => {
    const flags = { [`idempotency.${flag}`]: value }
    const { faults } = await refused({ flags })
    return faults.some(({ path }) => path.startsWith(`idempotency.${flag}`))
  }
  for (const [flag, value] of [
    ['store', 'disk'],
    ['store', 'redis:'],
    ['principal', 'header:'],
    ['principal', 'header:a b'],
    ['principal', 'cookie'],
    ['methods', 'post'],
    ['methods', 'GET'],
    ['release', '200'],
    ['release', '4x'],
    ['routes', 'not json'],
    ['leaseMs', '10'],
    ['mode', 'on'],
  ] as const) {
    assert.ok(await refusedBy(flag, value), `${flag} ${value}`)
  }
})

test('a key that would be forgotten at once is refused; one that is only remembered is not', async () => {
  const routes = JSON.stringify([{ path: '/a' }, { path: '/b', ttlMs: 0 }])
  const of = (ttlMs: string, graceMs: string) => ({
    flags: { 'idempotency.ttlMs': ttlMs, 'idempotency.graceMs': graceMs, 'idempotency.store': 'memory' },
    env: { HOPSCOPE_IDEMPOTENCY_ROUTES: routes },
  })
  const { faults } = await refused(of('0', '0'))
  assert.deepEqual(
    faults.map(({ path, value }) => [path, value]),
    [
      ['idempotency.ttlMs', '0'],
      ['idempotency.routes.1.ttlMs', '0'],
    ],
  )
  for (const { expected } of faults) assert.match(expected, /^1 or more, since idempotency\.graceMs is 0/)
  await accepted(of('0', '1000'))
  assert.equal((await refused(of('1000', '0'))).faults.length, 1)
})

test('a URL of a store that is none says why, without its password', async () => {
  const { faults } = await refused({ flags: { 'idempotency.store': 'redis://me:hunter2@host/0?wait=many' } })
  assert.equal(faults[0]!.expected, 'memory, file:DIR or redis://… (wait is a number from 0 to 16)')
  assert.equal(faults[0]!.value, '"***"')
})

test('rules without a store are refused', async () => {
  for (const flags of [{ 'idempotency.mode': 'require' }, { 'idempotency.routes': '[{"path":"/a"}]' }]) {
    const { faults } = await refused({ flags })
    assert.equal(faults[0]!.path, 'idempotency.store')
    assert.match(faults[0]!.expected, /since idempotency\.(mode|routes) is set \(--idempotency-/)
  }
  await accepted({ flags: { 'idempotency.mode': 'off' } })
})

test('several processes cannot share a store in memory', async () => {
  const { faults } = await refused({ flags: { 'idempotency.store': 'memory', concurrency: '2' } })
  assert.equal(faults[0]!.path, 'idempotency.store')
  await accepted({ flags: { 'idempotency.store': 'file:/tmp/x', concurrency: '2' } })
  await accepted({ flags: { 'idempotency.store': 'memory', concurrency: '1' } })
})
