import assert from 'node:assert/strict'
import test from 'node:test'
import { accepted, refused } from './support.ts'

test('the stable flags of the aggregator, and what they mean', async () => {
  const flags = {
    'aggregator.otlpGrpc': '0.0.0.0:4317',
    'aggregator.otlpHttp': 'off',
    'aggregator.dataDir': '/var/lib/hopscope',
    metrics: '0.0.0.0:8889',
  }
  const { config, warnings } = await accepted({ command: 'aggregator', flags })
  assert.deepEqual(config.aggregator.otlpGrpc, { host: '0.0.0.0', port: 4317 })
  assert.equal(config.aggregator.otlpHttp, 'off')
  assert.deepEqual(config.aggregator.ui, { host: '127.0.0.1', port: 16686 })
  assert.deepEqual(warnings, [])
})

test('a page that is open to others is warned of', async () => {
  const { warnings } = await accepted({ command: 'aggregator', flags: { 'aggregator.ui': '0.0.0.0:16686' } })
  assert.match(warnings[0]!, /whoever reaches it can read every span/)
})

test('two listeners on one port, a certificate without key and authorities that are not there are faults', async () => {
  const flags = {
    'aggregator.otlpGrpc': '127.0.0.1:4317',
    'aggregator.otlpHttp': '127.0.0.1:4317',
    'aggregator.tlsCertificate': '/nowhere/cert.pem',
    'aggregator.tlsClientAuthorities': '/nowhere/ca.pem',
  }
  const { faults } = await refused({ command: 'aggregator', flags })
  assert.deepEqual(faults.map(({ path }) => path).sort(), [
    'aggregator.otlpHttp',
    'aggregator.tlsCertificate',
    'aggregator.tlsClientAuthorities',
    'aggregator.tlsKey',
  ])
})

test('a fleet needs a listener, and one that is open to others without a token is warned of', async () => {
  const replicas = 'agg-0:16687,agg-1:16687'
  const alone = await refused({ command: 'aggregator', flags: { 'aggregator.replicas': replicas } })
  assert.deepEqual(
    alone.faults.map(({ path }) => path),
    ['aggregator.replicas'],
  )
  const flags = { 'aggregator.replicas': replicas, 'aggregator.replicaListen': '0.0.0.0:16687' }
  const open = await accepted({ command: 'aggregator', flags })
  assert.deepEqual(open.config.aggregator.replicas, [
    { host: 'agg-0', port: 16687 },
    { host: 'agg-1', port: 16687 },
  ])
  assert.match(open.warnings[0]!, /without aggregator.replicaToken/)
  const closed = await accepted({ command: 'aggregator', flags: { ...flags, 'aggregator.replicaToken': 'x' } })
  assert.deepEqual(closed.warnings, [])
})

test('receivers of spans are a list of URLs', async () => {
  const flags = { 'upstream.url': 'http://127.0.0.1:1', 'otlp.endpoints': 'http://agg-0:4317, https://agg-1:4317' }
  const { config } = await accepted({ command: 'proxy', flags })
  assert.deepEqual(config.otlp.endpoints, ['http://agg-0:4317', 'https://agg-1:4317'])
  const wrong = await refused({ command: 'proxy', flags: { ...flags, 'otlp.endpoints': 'agg-0:4317' } })
  assert.equal(wrong.faults.length, 1)
})
