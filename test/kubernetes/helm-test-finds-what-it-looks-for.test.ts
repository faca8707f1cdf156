/** The program of `helm test`, against a real injector and aggregator at their usual ports, in a namespace of its own. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createPair, netnsUnavailable } from '../interception/netns.ts'
import { HOPSCOPE, said } from '../interception/sidecar.ts'
import { Authority, noOpenssl } from '../support/certificates.ts'
import { CHART } from './helm.ts'

test('helm test', { skip: netnsUnavailable() || noOpenssl }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hopscope-helm-test-'))
  const { cert, key } = new Authority().issue('webhook')
  const pair = createPair()
  try {
    const tls = ['--injector-tls-certificate', cert, '--injector-tls-key', key]
    const injector = pair.pod.start([
      ...HOPSCOPE,
      'injector',
      '--injector-image',
      'hopscope',
      '--metrics',
      'off',
      ...tls,
    ])
    const aggregator = pair.pod.start([...HOPSCOPE, 'aggregator', '--data-dir', folder, '--metrics', 'off'])
    await said(injector, '"msg":"listening"')
    await said(aggregator, '"msg":"listening"', 20_000)
    const env = {
      INJECTOR: 'https://127.0.0.1:8443',
      AGGREGATOR: 'http://127.0.0.1',
      NODE_TLS_REJECT_UNAUTHORIZED: '0',
    }
    const { status, stdout, stderr } = pair.pod.exec([process.execPath, `${CHART}/files/test.mjs`], { env })
    assert.equal(status, 0, stderr)
    assert.equal(stdout.match(/^ok: /gm)?.length, 3, stdout)
  } finally {
    await pair.cleanup()
    rmSync(folder, { recursive: true, force: true })
  }
})
