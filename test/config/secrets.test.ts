import assert from 'node:assert/strict'
import test from 'node:test'
import { effectiveText } from '../../src/cli/check-config.ts'
import { faultReport } from '../../src/config/fault.ts'
import { accepted, refused, tempFile } from './support.ts'

test('secrets are in no report and in no listing', async (t) => {
  const bad = await refused({
    env: { HOPSCOPE_OTLP_HEADERS: 'hunter2', HOPSCOPE_TARGET: 'http://me:hunter2@host' },
    flags: { 'idempotency.store': 'redis//:hunter2@redis' },
    file: tempFile(t, 'otlp:\n  header: hunter2\n'),
  })
  assert.equal(bad.faults.length, 4)
  assert.doesNotMatch(faultReport(bad.faults), /hunter2/)
  assert.match(faultReport(bad.faults), /target \(HOPSCOPE_TARGET\): "http:\/\/\*\*\*@host"/)

  for (const password of ['hun/ter2', 'hun@ter2', 'hun ter2', 'hun"ter2', 'hun?ter2#x']) {
    const { faults } = await refused({ env: { HOPSCOPE_TARGET: `http://me:${password}@host` } })
    assert.match(faultReport(faults), /target \(HOPSCOPE_TARGET\): "http:\/\/\*\*\*@host"/, password)
  }

  const broken = await refused({ file: tempFile(t, 'otlp:\n  headers: { authorization: "hunter2\n') })
  assert.doesNotMatch(faultReport(broken.faults), /hunter2/)

  const { described, config } = await accepted({ flags: { 'otlp.headers': 'authorization=hunter2' } })
  assert.equal(config.otlp.headers.authorization, 'hunter2')
  const text = effectiveText('sidecar', described)
  assert.doesNotMatch(text, /hunter2/)
  assert.match(text, /otlp\.headers +\{"authorization":"\*\*\*"\} {2}\(--otlp-headers\)/)
})

test('values are told as what they are, long ones whole', async () => {
  const attributes = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`name${i}`, 'value']))
  const flags = {
    'resource.attributes': Object.entries(attributes)
      .map((pair) => pair.join('='))
      .join(','),
    'timeouts.connectMs': '700',
    'trace.parentBased': 'false',
  }
  const { described } = await accepted({ flags })
  const told = (wanted: string): unknown => described.find(({ path }) => path === wanted)!.value
  assert.deepEqual(told('resource.attributes'), attributes)
  assert.equal(told('timeouts.connectMs'), 700)
  assert.equal(told('trace.parentBased'), false)
  assert.equal(told('log.level'), 'info')
  assert.ok(
    effectiveText('sidecar', described)
      .split('\n')
      .every((line) => line.length < 200),
  )
})

test('which store is in effect is told, unless its text may hold a password', async () => {
  for (const [store, told] of [
    ['memory', 'memory'],
    ['file:/var/lib/hopscope?sync=true', 'file:/var/lib/hopscope?sync=true'],
    ['redis://me:hunter2@redis/0', '***'],
    ['redis://redis?sentinelPassword=hunter2', '***'],
  ]) {
    const { described } = await accepted({ flags: { 'idempotency.store': store! } })
    assert.equal(described.find(({ path }) => path === 'idempotency.store')!.value, told)
  }
  for (const store of ['memoryredis://me:hunter2@redis', 'file:', 'file:/x?password=hunter2']) {
    const { faults } = await refused({ flags: { 'idempotency.store': store } })
    assert.equal(faults[0]!.value, '"***"')
  }
  const shared = await refused({ flags: { 'idempotency.store': 'memory', concurrency: '2' } })
  assert.equal(shared.faults[0]!.value, '"memory"')
})
