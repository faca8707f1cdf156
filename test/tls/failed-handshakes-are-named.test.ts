/** Handshakes of clients that fail: each has its cause as a code in span, metric, log and `explain`. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import type { ConnectionOptions } from 'node:tls'
import { promisify } from 'node:util'
import { explainCode } from '../../src/cli/explain.ts'
import { startInstance } from '../process/instance.ts'
import { Origin, ok } from '../support/origin.ts'
import { eventually } from '../support/proxy.ts'
import { Ca, type Files } from './certificates.ts'
import { clientHello, records } from './hellos.ts'
import { noOpenssl, sClient } from './openssl.ts'
import { dialTls, type Terminating, terminating } from './terminating.ts'

const run = promisify(execFile)

interface Scene {
  readonly ca: Ca
  readonly other: Ca
  readonly to: Terminating
}

async function scene(t: TestContext, settings: Record<string, string> = {}, dates = {}): Promise<Scene> {
  const ca = await Ca.make(t)
  const other = await Ca.make(t, 'another authority')
  const { cert, key } = await ca.issue('server', ['localhost', '127.0.0.1'], dates)
  return { ca, other, to: await terminating(t, { settings: { 'tls.cert': cert, 'tls.key': key, ...settings } }) }
}

/** One failed handshake with this code, in span and metric, and nothing for the origin. */
async function told(to: Terminating, code: string, detail?: RegExp): Promise<void> {
  const [span] = await to.spans(({ name }) => name === 'tls handshake')
  assert.equal(span!.attributes['error.type'], code)
  assert.equal(span!.attributes['hopscope.error.phase'], 'tls')
  assert.equal(span!.kind, 2)
  assert.equal(span!.status?.code, 2)
  if (detail !== undefined) assert.match(span!.status?.message ?? '', detail)
  assert.equal(await to.metric(`hopscope_tls_handshakes_total{outcome="${code}"}`), 1)
  assert.ok(explainCode(code)!.includes('Check'))
  assert.equal(to.origin.connections.length, 0)
}

const client = (options: ConnectionOptions) => (to: Terminating) => assert.rejects(to.dial(options))

test('version: TLS 1.1 at most', { skip: noOpenssl }, async (t) => {
  const { to } = await scene(t)
  await sClient(to.port, ['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0', '-servername', 'localhost'])
  await told(to, 'client_tls_version', /unsupported protocol/)
  const [span] = await to.spans(({ name }) => name === 'tls handshake')
  assert.equal(span!.attributes['tls.client.server_name'], 'localhost')
})

test('cipher: only ones without forward secrecy, and RSA alone for an ECDSA key', async (t) => {
  const { to } = await scene(t)
  await client({ maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA' })(to)
  await told(to, 'client_tls_no_shared_cipher', /no shared cipher/)
  const second = await scene(t)
  await client({ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' })(second.to)
  await told(second.to, 'client_tls_no_shared_cipher')
})

test('authority: the client does not know it', { skip: noOpenssl }, async (t) => {
  for (const version of ['-tls1_2', '-tls1_3']) {
    const { to, other } = await scene(t)
    await sClient(to.port, [version, '-verify_return_error', '-CAfile', other.cert, '-servername', 'localhost'])
    await told(to, 'client_tls_rejects_ca', /alert unknown_ca/)
  }
})

test('certificate: the client finds it too old', { skip: noOpenssl }, async (t) => {
  const { to, ca } = await scene(t, {}, { from: -10, to: -1 })
  await sClient(to.port, ['-verify_return_error', '-CAfile', ca.cert, '-servername', 'localhost'])
  await told(to, 'client_tls_rejects_certificate', /alert certificate_expired/)
})

async function withClientCa(t: TestContext, issued: (ca: Ca, other: Ca) => Promise<Files | undefined>): Promise<Scene> {
  const clients = await Ca.make(t, 'clients')
  const found = await scene(t, { 'tls.clientAuth': 'require', 'tls.clientCa': clients.cert })
  const files = await issued(clients, found.other)
  const pair = files && { cert: files.pem.cert, key: files.pem.key }
  // In TLS 1.3 the client is done before its certificate is looked at: it learns of it by the close.
  const socket = await dialTls({ port: found.to.port, rejectUnauthorized: false, ...pair }).catch(() => undefined)
  if (socket !== undefined)
    await new Promise((resolve) =>
      socket
        .on('error', () => {})
        .once('close', resolve)
        .resume(),
    )
  return found
}

for (const [what, code, issued] of [
  ['none', 'client_tls_certificate_required', async () => undefined],
  ['of another authority', 'client_tls_certificate_untrusted', (_: Ca, other: Ca) => other.issue('client')],
  ['expired', 'client_tls_certificate_expired', (ca: Ca) => ca.issue('client', ['x'], { from: -9, to: -1 })],
  ['not valid yet', 'client_tls_certificate_not_yet_valid', (ca: Ca) => ca.issue('client', ['x'], { from: 1, to: 9 })],
] as const) {
  test(`certificate of the client: ${what}`, async (t) => {
    const { to } = await withClientCa(t, issued)
    await told(to, code)
  })
}

test('the client goes away in the middle', async (t) => {
  const { to } = await scene(t)
  const socket = connect(to.port, '127.0.0.1').on('error', () => {})
  socket.write(records(clientHello()))
  await new Promise((resolve) => socket.once('data', resolve))
  socket.end()
  await told(to, 'client_tls_aborted')
})

test('the client takes too long', async (t) => {
  const { to } = await scene(t, { 'timeouts.handshakeMs': '300' })
  const socket = connect(to.port, '127.0.0.1').on('error', () => {})
  socket.resume().write(records(clientHello()))
  await new Promise((resolve) => socket.once('close', resolve))
  await told(to, 'client_tls_timeout')
})

test('too many at once: the next is refused, and when one ends there is room', async (t) => {
  const { to, ca } = await scene(t, { 'limits.handshakes': '2' })
  const stuck = [0, 1].map(() => connect(to.port, '127.0.0.1').on('error', () => {}))
  for (const socket of stuck) {
    socket.write(records(clientHello()))
    await new Promise((resolve) => socket.once('data', resolve))
  }
  const good = { ca: readFileSync(ca.cert) }
  await assert.rejects(to.dial(good))
  assert.equal(await to.metric('hopscope_tls_handshakes_total{outcome="tls_handshakes_full"}'), 1)
  stuck[0]!.destroy()
  await to.spans(({ attributes }) => attributes['error.type'] === 'client_tls_aborted')
  assert.equal((await (await to.dial(good)).get()).status, 200)
})

test('what is neither TLS nor HTTP', async (t) => {
  const { to } = await scene(t)
  const socket = connect(to.port, '127.0.0.1').on('error', () => {})
  socket.resume().write('EHLO there\r\n')
  await new Promise((resolve) => socket.once('close', resolve))
  await told(to, 'client_tls_not_spoken')
})

test('in the access log of the process, with client and cause', { skip: noOpenssl }, async (t) => {
  const ca = await Ca.make(t)
  const { cert, key } = await ca.issue('server')
  const origin = await Origin.answering(() => ok('x'))
  const instance = await startInstance(`http://127.0.0.1:${origin.port}`, ['--tls-cert', cert, '--tls-key', key])
  t.after(async () => {
    await instance.stop('SIGKILL')
    await origin.close()
  })
  await run('curl', ['-s', `https://localhost:${instance.port}/`]).catch(() => {})
  await eventually('a line', () => instance.accessLog.some((line) => line.includes('tls handshake')))
  const line = JSON.parse(instance.accessLog.find((one) => one.includes('tls handshake'))!)
  assert.equal(line.errorCode, 'client_tls_rejects_ca')
  assert.equal(line.serverName, 'localhost')
  assert.equal(line.peer.address, '127.0.0.1')
})
