import assert from 'node:assert/strict'
import { dirname } from 'node:path'
import test from 'node:test'
import { tempFile } from '../config/support.ts'
import { hopscope } from './support.ts'

test('check-config prints ok and what is in effect, with the origin of what is no default', async (t) => {
  const file = tempFile(t, 'sample: 0.5\nlog:\n  level: warn\n')
  const { code, stdout } = await hopscope(['check-config', '--for', 'sidecar', '--port', '15002'], {
    cwd: dirname(file),
    env: { OTEL_SERVICE_NAME: 'cart', HOPSCOPE_TIMEOUTS_CONNECT_MS: '900' },
  })
  assert.equal(code, 0)
  assert.match(stdout, /^ok: hopscope sidecar\n/)
  assert.match(stdout, /^ {2}port +15002 {2}\(--port\)$/m)
  assert.match(stdout, /^ {2}sample +0\.5 {2}\(hopscope\.yaml:1\)$/m)
  assert.match(stdout, /^ {2}log\.level +"warn" {2}\(hopscope\.yaml:3\)$/m)
  assert.match(stdout, /^ {2}service\.name +"cart" {2}\(OTEL_SERVICE_NAME\)$/m)
  assert.match(stdout, /^ {2}timeouts\.connectMs +900 {2}\(HOPSCOPE_TIMEOUTS_CONNECT_MS\)$/m)
  assert.match(stdout, /^ {2}timeouts\.headMs +10000$/m)
  assert.doesNotMatch(stdout, /^ {2}listen /m)
})

test('the file is --config, else HOPSCOPE_CONFIG, else hopscope.yaml', async (t) => {
  const here = tempFile(t, 'sample: 0.1\n')
  const other = tempFile(t, 'sample: 0.2\n', 'other.yaml')
  const third = tempFile(t, 'sample: 0.3\n', 'third.yaml')
  const sampleOf = async (args: string[], env: Record<string, string>): Promise<string | undefined> => {
    const { stdout } = await hopscope(['check-config', '--for', 'sidecar', ...args], { cwd: dirname(here), env })
    return /sample +(\S+)/.exec(stdout)?.[1]
  }
  assert.equal(await sampleOf([], {}), '0.1')
  assert.equal(await sampleOf([], { HOPSCOPE_CONFIG: other }), '0.2')
  assert.equal(await sampleOf(['--config', third], { HOPSCOPE_CONFIG: other }), '0.3')
})

test('warnings go to stderr and do not fail the check', async () => {
  const { code, stderr } = await hopscope(['check-config', '--for', 'sidecar'], {
    env: { OTEL_EXPORTER_OTLP_TIMEOUT: 'ten' },
  })
  assert.equal(code, 0)
  assert.match(stderr, /hopscope: warning: OTEL_EXPORTER_OTLP_TIMEOUT is ignored/)
})

test('check-config --schema prints the JSON schema', async () => {
  const { code, stdout } = await hopscope(['check-config', '--schema'])
  assert.equal(code, 0)
  assert.equal(JSON.parse(stdout).title, 'hopscope.yaml')
})
