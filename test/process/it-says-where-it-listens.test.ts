import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startInstance } from './instance.ts'

test('one line says where everything listens and how long the start took', async (t) => {
  const instance = await startInstance('http://127.0.0.1:1')
  t.after(() => instance.stop('SIGKILL'))
  const lines = instance.lines.filter((line) => line.includes('"msg":"listening"'))
  assert.equal(lines.length, 1)
  const { host, port, admin, metrics, startMs } = JSON.parse(lines[0]!)
  assert.deepEqual([host, port], ['127.0.0.1', instance.port])
  assert.deepEqual([admin, metrics], [`127.0.0.1:${instance.adminPort}`, `127.0.0.1:${instance.metricsPort}`])
  assert.ok(Number.isInteger(startMs) && startMs > 0)
})
