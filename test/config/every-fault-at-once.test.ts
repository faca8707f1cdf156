import assert from 'node:assert/strict'
import test from 'node:test'
import { faultReport } from '../../src/config/fault.ts'
import { refused, tempFile } from './support.ts'

test('faults of all sources come in one report, each with path, place, value and expectation', async (t) => {
  const file = tempFile(t, 'timeouts:\n  connectMs: soon\nlisten: 8080\nnonsense: 1\nlimits: 7\n')
  const { faults } = await refused({
    command: 'proxy',
    file,
    env: { HOPSCOPE_SAMPLE: '2' },
    flags: { concurrency: 'many', 'intercept.excludeOutboundCidrs': '10.0.0.0/8,10.0.0.0/33' },
  })
  const found = faults.map(({ path, origin, value }) => [path, origin.replace(file, 'FILE'), value])
  assert.deepEqual(found.sort(), [
    ['concurrency', '--concurrency', '"many"'],
    ['intercept.excludeOutboundCidrs', '--intercept-exclude-outbound-cidrs', '["10.0.0.0/8","10.0.0.0/33"]'],
    ['limits', 'FILE:5', ''],
    ['listen', 'FILE:3', '8080'],
    ['nonsense', 'FILE:4', ''],
    ['sample', 'HOPSCOPE_SAMPLE', '2'],
    ['timeouts.connectMs', 'FILE:2', '"soon"'],
    ['upstream.url', '', ''],
  ])
  for (const { expected } of faults) assert.notEqual(expected, '')
  const report = faultReport(faults)
  assert.match(report, /^8 faults in the configuration:\n/)
  assert.match(
    report,
    /timeouts\.connectMs \(.*hopscope\.yaml:2\): "soon", expected a whole number of milliseconds, 1 to 86400000/,
  )
})

test('a bad value is a fault even where a good one goes before it', async () => {
  const { faults } = await refused({ env: { HOPSCOPE_SAMPLE: 'x' }, flags: { sample: '0.5' } })
  assert.deepEqual(
    faults.map(({ origin }) => origin),
    ['HOPSCOPE_SAMPLE'],
  )
})

test('a file that is missing, no YAML or no map is a fault with its place', async (t) => {
  const missing = await refused({ command: 'proxy', file: '/nowhere/hopscope.yaml' })
  assert.deepEqual(missing.faults[0], {
    path: '',
    origin: '/nowhere/hopscope.yaml',
    value: 'ENOENT',
    expected: 'a readable file',
  })
  assert.equal(missing.faults.length, 1, 'that it has no upstream.url is not known')
  const broken = await refused({ file: tempFile(t, 'log:\n  level: info\n level: warn\n') })
  assert.match(broken.faults[0]!.origin, /hopscope\.yaml:3$/)
  const twice = await refused({ file: tempFile(t, 'sample: 1\nsample: 0\n') })
  assert.match(twice.faults[0]!.expected, /unique/)
  const list = await refused({ file: tempFile(t, '- sample\n') })
  assert.match(list.faults[0]!.expected, /key: value/)
})

test('settings that need or exclude each other are checked', async (t) => {
  const pem = tempFile(t, 'x', 'key.pem')
  const unpaired = await refused({ flags: { 'otlp.clientKey': pem } })
  assert.equal(unpaired.faults[0]!.path, 'otlp.clientCertificate')
  const absent = await refused({ flags: { 'otlp.certificate': '/nowhere.pem' } })
  assert.match(absent.faults[0]!.value, /ENOENT/)
  const shared = await refused({ flags: { admin: '127.0.0.1:7000', metrics: '0.0.0.0:7000' } })
  assert.match(shared.faults[0]!.expected, /other than that of admin/)
  const rules = await refused({ command: 'iptables', flags: { port: '0' } })
  assert.equal(rules.faults[0]!.path, 'port')
  const own = await refused({
    command: 'iptables',
    env: { HOPSCOPE_INTERCEPT_PORTS: '80,15001' },
    flags: { 'intercept.excludeOutboundCidrs': '10.0.0.0/8,::/0', 'intercept.proxyUid': '0' },
  })
  assert.deepEqual(
    own.faults.map(({ path, origin, value }) => [path, origin, value]),
    [
      ['intercept.proxyUid', '--intercept-proxy-uid', '0'],
      ['intercept.ports', 'HOPSCOPE_INTERCEPT_PORTS', '[80,15001]'],
      ['intercept.excludeOutboundCidrs', '--intercept-exclude-outbound-cidrs', '["10.0.0.0/8","::/0"]'],
    ],
  )
})
