import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../../src/core/log.ts'
import { parseRedisUrl, redactStoreUrl } from '../../src/core/redis-url.ts'
import { parseStoreUrl } from '../../src/core/store-url.ts'
import { openStore } from '../../src/stores/open.ts'

test('each kind of store has its form', () => {
  const MIB = 2 ** 20
  assert.deepEqual(parseStoreUrl('memory'), { kind: 'memory', maxBytes: 64 * MIB })
  assert.deepEqual(parseStoreUrl('memory?maxBytes=8MiB'), { kind: 'memory', maxBytes: 8 * MIB })
  const file = { kind: 'file', folder: '/var/lib/h', sync: false, maxBytes: 1024 * MIB }
  assert.deepEqual(parseStoreUrl('file:/var/lib/h'), file)
  assert.deepEqual(parseStoreUrl('file:///var/lib/h'), file)
  assert.deepEqual(parseStoreUrl('file:rel%3Fative?sync=true&maxBytes=4MiB'), {
    kind: 'file',
    folder: 'rel?ative',
    sync: true,
    maxBytes: 4 * MIB,
  })
})

test('redis: one server, sentinels, a cluster', () => {
  const { query: _query, ...single } = parseRedisUrl('redis://:p%40ss@[::1]:7000/3')
  assert.deepEqual(single, {
    mode: 'single',
    tls: false,
    addresses: [{ host: '::1', port: 7000 }],
    username: undefined,
    password: 'p@ss',
    master: '',
    db: 3,
  })
  const sentinel = parseRedisUrl('rediss+sentinel://user:a@b@s1,s2:5000/main/2')
  assert.equal(sentinel.mode, 'sentinel')
  assert.equal(sentinel.tls, true)
  assert.equal(sentinel.password, 'a@b')
  assert.equal(sentinel.master, 'main')
  assert.equal(sentinel.db, 2)
  assert.deepEqual(sentinel.addresses, [
    { host: 's1', port: 26379 },
    { host: 's2', port: 5000 },
  ])
  const cluster = parseStoreUrl('redis-cluster://n1:1,n2:2?wait=1&waitMs=20&prefix=p:')
  assert.ok(cluster.kind === 'redis')
  assert.equal(cluster.target.mode, 'cluster')
  assert.equal(cluster.waitReplicas, 1)
  assert.equal(cluster.waitMs, 20)
  assert.equal(cluster.prefix, 'p:')
})

const WRONG = [
  '',
  'disk:/x',
  'memory?bytes=1',
  'memory?maxBytes=1KiB',
  'file:',
  'file:/x?sync=yes',
  'redis://',
  'redis://h:99999',
  'redis://a,b',
  'redis://h/x',
  'redis://h?unknown=1',
  'redis-sentinel://h',
  'redis-cluster://h/1',
  'redis://%zz@h',
  'redis-ring://h',
]

test('what is none is refused, and no password is told', async () => {
  for (const url of WRONG) {
    assert.throws(() => parseStoreUrl(url), TypeError, url)
    await assert.rejects(openStore(url, { log: silentLogger }), TypeError, url)
  }
  assert.throws(
    () => parseStoreUrl('redis://user:secret@h:bad'),
    (error: Error) => !error.message.includes('secret'),
  )
})

test('passwords are taken out for logs', () => {
  assert.equal(redactStoreUrl('redis://user:se:cr@et@h:1/0?wait=1'), 'redis://user:***@h:1/0?wait=1')
  assert.equal(
    redactStoreUrl('rediss-sentinel://:x@h/m?sentinelPassword=y'),
    'rediss-sentinel://:***@h/m?sentinelPassword=***',
  )
  assert.equal(redactStoreUrl('redis://h'), 'redis://h')
  assert.equal(redactStoreUrl('file:/a:b@c'), 'file:/a:b@c')
})
