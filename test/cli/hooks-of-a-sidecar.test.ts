/** `hopscope wait` and `hopscope drain`, as the kubelet runs them, against a real sidecar. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { hopscope } from './support.ts'

const MAIN = fileURLToPath(new URL('../../cli/main.js', import.meta.url))
const FREE = ['--port', '0', '--metrics', 'off', '--admin', '127.0.0.1:0']

test('wait returns once the proxy is ready; drain makes it unready; both fail without one', async () => {
  const sidecar = spawn(process.execPath, [MAIN, 'sidecar', ...FREE], { stdio: ['ignore', 'ignore', 'pipe'] })
  const exited = once(sidecar, 'exit')
  let admin = ''
  for await (const line of createInterface({ input: sidecar.stderr })) {
    if (!line.includes('"msg":"listening"')) continue
    admin = (JSON.parse(line) as { admin: string }).admin
    break
  }
  sidecar.stderr.resume()
  const env = { HOPSCOPE_ADMIN: admin }
  const waited = await hopscope(['wait', '--timeout-ms', '5000'], { env })
  assert.equal(waited.code, 0, waited.stderr)
  const drained = await hopscope(['drain'], { env })
  assert.equal(drained.code, 0, drained.stderr)
  const late = await hopscope(['wait', '--timeout-ms', '100', '--admin', admin])
  assert.deepEqual([late.code, late.stderr.includes('was not ready within 100 ms')], [1, true])
  const held = performance.now()
  assert.equal((await hopscope(['drain', '--hold-ms', '500'], { env })).code, 0)
  assert.ok(performance.now() - held >= 500)
  sidecar.kill('SIGTERM')
  assert.equal((await exited)[0], 0)

  const gone = await hopscope(['drain'], { env })
  assert.deepEqual([gone.code, gone.stderr.includes('ECONNREFUSED')], [1, true])
  const bad = await hopscope(['drain', '--hold-ms', 'long'], { env })
  assert.notEqual(bad.code, 0)
})
