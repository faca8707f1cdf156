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
