/** `tls.fips`: the provider of OpenSSL, or an end with the reason. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { startInstance } from '../process/instance.ts'
import { Origin, ok } from '../support/origin.ts'
import { Ca } from './certificates.ts'
import { dialTls } from './terminating.ts'

/** Whether this Node has the provider: asked in a process of its own, for without it nothing works after. */
const probe = `
  const { setFips, createHash } = require('node:crypto')
  setFips(true)
  createHash('sha256').update('').digest()`
const hasFips = spawnSync(process.execPath, ['-e', probe]).status === 0

test('without the provider: no start, exit code 1, and what is missing', {
  skip: hasFips && 'this Node has a FIPS provider',
}, () => {
  for (const more of [[], ['--concurrency', '2']]) {
    const args = ['proxy', '--listen', '127.0.0.1:0', '--upstream', 'http://127.0.0.1:1', '--tls-fips', 'true', ...more]
    const child = spawnSync(process.execPath, ['build/cli/main.js', ...args], { encoding: 'utf8', timeout: 10_000 })
    assert.equal(child.status, 1)
    assert.match(child.stderr, /tls\.fips is set, and this Node \(OpenSSL [\d.]+.*\) has no FIPS provider/)
    assert.match(child.stderr, /OPENSSL_CONF/)
    assert.doesNotMatch(child.stderr, /listening/)
  }
})

test('with the provider: it serves, and nothing that is not approved', {
  skip: hasFips ? false : 'this Node has no FIPS provider',
}, async (t) => {
  const ca = await Ca.make(t)
  const { cert, key } = await ca.issue('server')
  const origin = await Origin.answering(() => ok('x'))
  const flags = ['--tls-cert', cert, '--tls-key', key, '--tls-fips', 'true']
  const instance = await startInstance(`http://127.0.0.1:${origin.port}`, flags)
  t.after(async () => {
    await instance.stop('SIGKILL')
    await origin.close()
  })
  const options = { port: instance.port, rejectUnauthorized: false }
  const socket = await dialTls(options)
  assert.equal(socket.getProtocol(), 'TLSv1.3')
  socket.destroy()
  await assert.rejects(dialTls({ ...options, ciphers: 'TLS_CHACHA20_POLY1305_SHA256', minVersion: 'TLSv1.3' }))
})
