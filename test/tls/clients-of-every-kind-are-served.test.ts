/** TLS 1.2 and 1.3, with and without ALPN, by several clients: each is served, and the span says what was agreed on. */
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import type { SecureVersion } from 'node:tls'
import { promisify } from 'node:util'
import { Ca } from './certificates.ts'
import { type Terminating, terminating } from './terminating.ts'

const run = promisify(execFile)
const noCurl: string | false = spawnSync('curl', ['--version']).status === 0 ? false : 'curl is not installed'

async function started(t: TestContext): Promise<{ ca: Ca; to: Terminating }> {
  const ca = await Ca.make(t)
  const { cert, key } = await ca.issue('server', ['localhost', '127.0.0.1', '::1'])
  return { ca, to: await terminating(t, { settings: { 'tls.cert': cert, 'tls.key': key } }) }
}

for (const [version, cipher] of [
  ['TLSv1.2', 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'],
  ['TLSv1.3', 'TLS_AES_128_GCM_SHA256'],
] as const) {
  test(`${version}: served, keep-alive, and the span tells of it`, async (t) => {
    const { ca, to } = await started(t)
    const exact: SecureVersion = version
    const peer = await to.dial({
      ca: readFileSync(ca.cert),
      minVersion: exact,
      maxVersion: exact,
      ciphers: 'TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256',
      ALPNProtocols: ['http/1.1'],
    })
    assert.equal(peer.tls.getProtocol(), version)
    for (const path of ['/a', '/b', '/c']) assert.equal((await peer.get(path)).body, `GET ${path} HTTP/1.1`)
    const spans = await to.spans(({ name }) => name === 'GET', 3)
    for (const { attributes } of spans) {
      assert.equal(attributes['tls.protocol.name'], 'tls')
      assert.equal(attributes['tls.protocol.version'], version.slice(4))
      assert.equal(attributes['tls.cipher'], cipher)
      assert.equal(attributes['tls.next_protocol'], 'http/1.1')
      assert.equal(attributes['tls.client.server_name'], 'localhost')
      assert.equal(attributes['tls.resumed'], false)
      assert.equal(attributes['url.scheme'], 'https')
      assert.ok((attributes['hopscope.tls.handshake_us'] as number) > 0)
    }
    assert.equal(await to.metric('hopscope_tls_handshakes_total{outcome="full"}'), 1)
  })
}

test('no ALPN, an unknown one, and no server name are no errors', async (t) => {
  const { ca, to } = await started(t)
  const common = { ca: readFileSync(ca.cert) }
  const bare = await to.dial(common)
  assert.equal(bare.tls.alpnProtocol, false)
  assert.equal((await bare.get()).status, 200)
  const unknown = await to.dial({ ...common, ALPNProtocols: ['acme-tls/1', 'spdy/3'] })
  assert.equal(unknown.tls.alpnProtocol, false)
  assert.equal((await unknown.get()).status, 200)
  const nameless = await to.dial({ ...common, servername: '' })
  assert.equal((await nameless.get('/', 'whatever.example')).status, 200)
  const [span] = await to.spans(({ attributes }) => attributes['server.address'] === 'whatever.example')
  assert.equal(span!.attributes['tls.client.server_name'], undefined)
  assert.equal(span!.attributes['tls.next_protocol'], undefined)
})

test('h2 comes before http/1.1, and what was agreed on is spoken', { skip: noCurl }, async (t) => {
  const { ca, to } = await started(t)
  const ask = async (...flags: string[]): Promise<string> => {
    const url = `https://localhost:${to.port}/curl`
    const { stdout } = await run('curl', ['-sS', '-w', ' %{http_version}', '--cacert', ca.cert, ...flags, url])
    return stdout
  }
  assert.equal(await ask(), 'GET /curl HTTP/1.1 2')
  assert.equal(await ask('--http1.1'), 'GET /curl HTTP/1.1 1.1')
  assert.equal(await ask('--no-alpn'), 'GET /curl HTTP/1.1 1.1')
  assert.equal(await ask('--tls-max', '1.2'), 'GET /curl HTTP/1.1 2')
  const spans = await to.spans(({ name }) => name === 'GET', 4)
  assert.deepEqual(
    spans.map(({ attributes }) => [attributes['tls.next_protocol'], attributes['network.protocol.version']]),
    [
      ['h2', '2'],
      ['http/1.1', '1.1'],
      [undefined, '1.1'],
      ['h2', '2'],
    ],
  )
})

test('tls.minVersion 1.3 refuses 1.2', async (t) => {
  const ca = await Ca.make(t)
  const { cert, key } = await ca.issue('server')
  const to = await terminating(t, { settings: { 'tls.cert': cert, 'tls.key': key, 'tls.minVersion': '1.3' } })
  await assert.rejects(to.dial({ ca: readFileSync(ca.cert), maxVersion: 'TLSv1.2' }), /alert protocol version/)
  assert.equal((await (await to.dial({ ca: readFileSync(ca.cert) })).get()).status, 200)
})
