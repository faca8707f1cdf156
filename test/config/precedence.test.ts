import assert from 'node:assert/strict'
import test from 'node:test'
import { accepted, tempFile } from './support.ts'

test('flags go before HOPSCOPE_…, that before OTEL_…, that before the file, that before defaults', async (t) => {
  const file = tempFile(t, 'service: { name: from-file }\n')
  const steps: [string, string, Parameters<typeof accepted>[0]][] = [
    ['unknown_service:hopscope', 'default', {}],
    ['from-file', `${file}:1`, { file }],
    ['from-otel', 'OTEL_SERVICE_NAME', { file, env: { OTEL_SERVICE_NAME: 'from-otel' } }],
    [
      'from-env',
      'HOPSCOPE_SERVICE_NAME',
      { file, env: { OTEL_SERVICE_NAME: 'from-otel', HOPSCOPE_SERVICE_NAME: 'from-env' } },
    ],
    [
      'from-flag',
      '--service-name',
      { file, env: { HOPSCOPE_SERVICE_NAME: 'from-env' }, flags: { 'service.name': 'from-flag' } },
    ],
  ]
  for (const [name, origin, input] of steps) {
    const { config, values } = await accepted(input)
    assert.equal(config.service.name, name)
    assert.equal(values.get('service.name')!.origin, origin)
  }
})

test('defaults differ by command where they should', async () => {
  const sidecar = (await accepted({ command: 'sidecar' })).config
  const dev = (await accepted({ command: 'dev' })).config
  const proxy = (await accepted({ command: 'proxy', flags: { 'upstream.url': 'http://localhost:9' } })).config
  assert.deepEqual([sidecar.port, dev.port], [15001, 4000])
  assert.deepEqual(
    [sidecar.upstream.reuse, proxy.upstream.reuse, dev.upstream.reuse],
    ['client', 'after-first', 'after-first'],
  )
  assert.deepEqual([sidecar.forwarded.mode, proxy.forwarded.mode], ['off', 'append'])
  assert.deepEqual([dev.admin, dev.metrics], ['off', 'off'])
  assert.deepEqual(proxy.admin, { host: '127.0.0.1', port: 15000 })
  assert.deepEqual(proxy.metrics, { host: '0.0.0.0', port: 9090 })
})

test('JSON is a configuration file too, and an empty file is a good one', async (t) => {
  const { config } = await accepted({ file: tempFile(t, '{"intercept": {"ports": [80, 8080], "ipv6": false}}') })
  assert.deepEqual(config.intercept.ports, [80, 8080])
  assert.equal(config.intercept.ipv6, false)
  await accepted({ file: tempFile(t, '# nothing yet\n') })
  await accepted({ file: tempFile(t, 'timeouts:\n# all commented\n') })
})

test('the configuration is frozen through and through', async () => {
  const { config } = await accepted({})
  const open = config as unknown as { timeouts: { headMs: number }; intercept: { ports: number[] } }
  assert.throws(() => {
    open.timeouts.headMs = 1
  }, TypeError)
  assert.throws(() => open.intercept.ports.push(1), TypeError)
})
