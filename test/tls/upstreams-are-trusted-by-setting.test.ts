/** Who upstreams must be, and who we are to them: authority, name, certificate of ours, and short handshakes. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { startInstance } from '../process/instance.ts'
import { type Message, Peer } from '../support/client.ts'
import { eventually, problem } from '../support/proxy.ts'
import { Ca, write } from './certificates.ts'
import { noOpenssl } from './openssl.ts'
import { type SecureOrigin, secureOrigin } from './secure-origin.ts'
import { type Terminating, terminating } from './terminating.ts'

type Settings = Record<string, string>

async function before(t: TestContext, origin: SecureOrigin, settings: Settings): Promise<Terminating> {
  const url = { 'upstream.url': `https://localhost:${origin.port}` }
  return await terminating(t, { settings: { ...url, ...settings } })
}

async function ask(t: TestContext, port: number): Promise<Message> {
  const peer = await Peer.connect(port)
  t.after(() => peer.socket.destroy())
  peer.send('GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n')
  return await peer.message()
}

test('an authority of its own: served, and the span says how', async (t) => {
  const ca = await Ca.make(t)
  const origin = await secureOrigin(t, await ca.issue('server'))
  const to = await before(t, origin, { 'upstream.tls.ca': ca.cert })
  assert.equal(JSON.parse((await ask(t, to.port)).body).name, 'localhost')
  const [span] = await to.spans(({ name }) => name === 'GET')
  assert.equal(span!.attributes['hopscope.upstream.tls.protocol.version'], '1.3')
  assert.equal(span!.attributes['hopscope.upstream.tls.resumed'], false)
  assert.equal(span!.attributes['hopscope.upstream.tls.next_protocol'], 'http/1.1')
  assert.equal(span!.attributes['hopscope.upstream.tls.client.server_name'], 'localhost')
  assert.ok((span!.attributes['hopscope.phase.tls_us'] as number) > 0)
})

test('NODE_EXTRA_CA_CERTS counts where there is no other setting', async (t) => {
  const ca = await Ca.make(t)
  const origin = await secureOrigin(t, await ca.issue('server'))
  process.env.NODE_EXTRA_CA_CERTS = ca.cert
  t.after(() => delete process.env.NODE_EXTRA_CA_CERTS)
  const instance = await startInstance(`https://localhost:${origin.port}`)
  t.after(() => instance.stop('SIGKILL'))
  assert.equal((await ask(t, instance.port)).status, 200)
})

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`${maxVersion}: the next connection resumes the session`, async (t) => {
    const ca = await Ca.make(t)
    const origin = await secureOrigin(t, await ca.issue('server'), { maxVersion })
    const to = await before(t, origin, { 'upstream.tls.ca': ca.cert, 'upstream.reuse': 'client' })
    const resumed: unknown[] = []
    for (let i = 0; i < 3; i++) resumed.push(JSON.parse((await ask(t, to.port)).body).resumed)
    assert.deepEqual(resumed, [false, true, true])
    assert.equal(await to.metric('hopscope_upstream_tls_handshakes_total{outcome="full"}'), 1)
    assert.equal(await to.metric('hopscope_upstream_tls_handshakes_total{outcome="resumed"}'), 2)
  })
}

test('a certificate of ours is shown to who asks for one; it is read again when it changes', async (t) => {
  const ca = await Ca.make(t)
  const demands = { requestCert: true, rejectUnauthorized: true, ca: readFileSync(ca.cert) }
  const origin = await secureOrigin(t, await ca.issue('server'), demands)
  const mine = write(ca.folder, 'mine', await ca.mint(['client'], {}, 'first'))
  const paths = { 'upstream.tls.ca': ca.cert, 'upstream.tls.cert': mine.cert, 'upstream.tls.key': mine.key }
  // Connections that stand keep what was shown on them: each client gets its own.
  const settings = { ...paths, 'upstream.reuse': 'client' }
  const to = await before(t, origin, settings)
  assert.equal(JSON.parse((await ask(t, to.port)).body).client, 'first')
  write(ca.folder, 'mine', await ca.mint(['client'], {}, 'second'))
  let shown = ''
  const look = setInterval(async () => {
    shown = await ask(t, to.port).then(
      ({ body }) => JSON.parse(body).client,
      () => shown,
    )
  }, 50)
  await eventually('the new certificate', () => shown === 'second').finally(() => clearInterval(look))
  writeFileSync(mine.key, 'broken')
  let failed = 0
  const count = setInterval(async () => {
    failed = await to.metric('hopscope_tls_reloads_total{outcome="failed"}')
  }, 50)
  await eventually('the fault', () => failed === 1).finally(() => clearInterval(count))
  assert.equal(JSON.parse((await ask(t, to.port)).body).client, 'second')
})

test('a name of its own: sent, and expected in the certificate', async (t) => {
  const ca = await Ca.make(t)
  const origin = await secureOrigin(t, await ca.issue('server', ['inside.example']))
  const to = await before(t, origin, { 'upstream.tls.ca': ca.cert, 'upstream.tls.serverName': 'inside.example' })
  assert.equal(JSON.parse((await ask(t, to.port)).body).name, 'inside.example')
  const other = await before(t, origin, { 'upstream.tls.ca': ca.cert, 'upstream.tls.serverName': 'other.example' })
  assert.equal(problem((await ask(t, other.port)).body).code, 'tls_name_mismatch')
})

test('an address is expected in the certificate and not sent as a name', async (t) => {
  const ca = await Ca.make(t)
  const origin = await secureOrigin(t, await ca.issue('server', ['127.0.0.1']))
  const url = { 'upstream.url': `https://127.0.0.1:${origin.port}` }
  const to = await terminating(t, { settings: { ...url, 'upstream.tls.ca': ca.cert } })
  assert.equal(JSON.parse((await ask(t, to.port)).body).name, false)
})

test('without verification it goes to anyone, and every start says so', async (t) => {
  const ca = await Ca.make(t)
  const origin = await secureOrigin(t, await ca.issue('server', ['elsewhere.example'], { from: -9, to: -1 }))
  const instance = await startInstance(`https://localhost:${origin.port}`, ['--upstream-tls-verify', 'false'])
  t.after(() => instance.stop('SIGKILL'))
  assert.equal((await ask(t, instance.port)).status, 200)
  assert.ok(instance.lines.some((line) => /warning: upstream\.tls\.verify is false/.test(line)))
})

test('a revoked certificate', { skip: noOpenssl }, async (t) => {
  const ca = await Ca.make(t)
  const files = await ca.issue('server')
  const [crl, config, index] = ['list.crl', 'ca.cnf', 'index.txt'].map((name) => join(ca.folder, name))
  writeFileSync(config!, `[ca]\ndefault_ca=d\n[d]\ndatabase=${index}\ndefault_md=sha256\ndefault_crl_days=9\n`)
  writeFileSync(index!, '')
  const signer = ['-config', config!, '-cert', ca.cert, '-keyfile', ca.files.key]
  execFileSync('openssl', ['ca', ...signer, '-revoke', files.cert], { stdio: 'ignore' })
  execFileSync('openssl', ['ca', ...signer, '-gencrl', '-out', crl!], { stdio: 'ignore' })
  const origin = await secureOrigin(t, files)
  const to = await before(t, origin, { 'upstream.tls.ca': ca.cert, 'upstream.tls.crl': crl! })
  assert.equal(problem((await ask(t, to.port)).body).code, 'tls_certificate_revoked')
})
