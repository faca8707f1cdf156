/** Handshakes with upstreams that fail: 502 with the cause as a code, nothing of the request sent, counted by cause. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { Peer } from '../support/client.ts'
import { type Problem, problem } from '../support/proxy.ts'
import { Ca, type Dates } from './certificates.ts'
import { rawOrigin, type SecureOrigin, secureOrigin } from './secure-origin.ts'
import { type Terminating, terminating } from './terminating.ts'

type Settings = Record<string, string>

/** One request before an upstream; its failure, as the client sees it. */
async function failure(
  t: TestContext,
  url: string,
  settings: Settings = {},
): Promise<{ told: Problem; to: Terminating; status: number }> {
  const to = await terminating(t, { settings: { 'upstream.url': url, ...settings } })
  const peer = await Peer.connect(to.port)
  t.after(() => peer.socket.destroy())
  peer.send('POST /pay HTTP/1.1\r\nHost: here\r\nContent-Length: 6\r\n\r\nsecret')
  const { status, body } = await peer.message()
  return { told: problem(body), to, status }
}

async function expectCode(t: TestContext, url: string, code: string, settings: Settings = {}): Promise<Problem> {
  const { told, to, status } = await failure(t, url, settings)
  assert.equal(told.code, code, JSON.stringify(told))
  assert.equal(status, 502)
  assert.deepEqual([told.phase, told.source], ['tls', 'upstream'])
  assert.equal(await to.metric(`hopscope_upstream_tls_handshakes_total{outcome="${code}"}`), 1)
  const [span] = await to.spans(({ name }) => name === 'POST')
  assert.equal(span!.attributes['hopscope.error.code'], code)
  assert.ok((span!.attributes['hopscope.phase.tls_us'] as number) >= 0)
  return told
}

async function upstream(
  t: TestContext,
  dates: Dates = {},
  options: Parameters<typeof secureOrigin>[2] = {},
): Promise<{ ca: Ca; origin: SecureOrigin; url: string; trusted: Settings }> {
  const ca = await Ca.make(t)
  const origin = await secureOrigin(t, await ca.issue('server', ['localhost', '127.0.0.1'], dates), options)
  return { ca, origin, url: `https://localhost:${origin.port}`, trusted: { 'upstream.tls.ca': ca.cert } }
}

test('expired', async (t) => {
  const { url, trusted, origin } = await upstream(t, { from: -9, to: -1 })
  const { detail } = await expectCode(t, url, 'tls_certificate_expired', trusted)
  assert.match(detail ?? '', /expired/)
  assert.equal(origin.received, '')
})

test('not valid yet', async (t) => {
  const { url, trusted } = await upstream(t, { from: 1, to: 9 })
  await expectCode(t, url, 'tls_certificate_not_yet_valid', trusted)
})

test('an unknown authority', async (t) => {
  const { url, origin } = await upstream(t)
  await expectCode(t, url, 'tls_unknown_ca')
  await expectCode(t, url, 'tls_unknown_ca', { 'upstream.tls.ca': (await Ca.make(t, 'another')).cert })
  assert.equal(origin.received, '')
})

test('another name, another address', async (t) => {
  const ca = await Ca.make(t)
  const { port } = await secureOrigin(t, await ca.issue('server', ['elsewhere.example']))
  const trusted = { 'upstream.tls.ca': ca.cert }
  const named = await expectCode(t, `https://localhost:${port}`, 'tls_name_mismatch', trusted)
  assert.match(named.detail ?? '', /elsewhere\.example/)
  await expectCode(t, `https://127.0.0.1:${port}`, 'tls_name_mismatch', trusted)
})

test('TLS 1.1 at most', async (t) => {
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' } as const
  const { url, trusted } = await upstream(t, {}, old)
  await expectCode(t, url, 'tls_version_mismatch', trusted)
})

test('no shared cipher', async (t) => {
  // The key is ECDSA, and the suites are for RSA.
  const { url, trusted } = await upstream(t, {}, { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' })
  await expectCode(t, url, 'tls_no_shared_cipher', trusted)
})

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`${maxVersion}: a client certificate is wanted, and there is none`, async (t) => {
    const clients = await Ca.make(t, 'clients')
    const demands = { requestCert: true, rejectUnauthorized: true, ca: readFileSync(clients.cert), maxVersion }
    const { url, trusted, origin } = await upstream(t, {}, demands)
    const { told } = await failure(t, url, trusted)
    // TLS 1.2 has no alert of its own for it.
    const missing = maxVersion === 'TLSv1.2' ? ['tls_no_shared_cipher'] : ['tls_own_certificate_required']
    assert.ok(missing.includes(told.code), JSON.stringify(told))
    assert.equal(origin.received, '')
  })
}

test('our certificate is refused by an alert', async (t) => {
  // Node looks at client certificates after the handshake and closes; OpenSSL's own server sends an alert.
  for (const [alert, code] of [
    [42, 'tls_own_certificate_refused'],
    [45, 'tls_own_certificate_refused'],
    [48, 'tls_own_certificate_refused'],
    [116, 'tls_own_certificate_required'],
    [112, 'tls_unknown_name'],
    [40, 'tls_no_shared_cipher'],
    [70, 'tls_version_mismatch'],
    [120, 'tls_no_shared_protocol'],
    [80, 'tls_failed'],
  ] as const) {
    const port = await rawOrigin(t, (socket) => {
      socket.once('data', () => socket.end(Buffer.from([21, 3, 3, 0, 2, 2, alert])))
    })
    const { detail } = await expectCode(t, `https://localhost:${port}`, code)
    assert.match(detail ?? '', /^alert /)
  }
})

test('closed, reset, and no TLS at all', async (t) => {
  const closing = await rawOrigin(t, (socket) => void socket.once('data', () => socket.end()))
  await expectCode(t, `https://localhost:${closing}`, 'tls_closed')
  const resetting = await rawOrigin(t, (socket) => void socket.once('data', () => socket.resetAndDestroy()))
  await expectCode(t, `https://localhost:${resetting}`, 'tls_closed')
  const plain = await rawOrigin(t, (socket) => {
    socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n'))
  })
  await expectCode(t, `https://localhost:${plain}`, 'tls_not_spoken')
})

test('h2 is wanted, and the upstream has HTTP/1.1 alone', async (t) => {
  const { url, trusted } = await upstream(t)
  const { told } = await failure(t, url, { ...trusted, 'upstream.protocol': 'h2' })
  assert.equal(told.code, 'tls_no_shared_protocol')
})

test('a request is not repeated for a handshake that fails the same way again', async (t) => {
  const { url } = await upstream(t)
  const { to } = await failure(t, url)
  const [span] = await to.spans(({ name }) => name === 'POST')
  assert.equal(await to.metric('hopscope_retries_total'), 0)
  assert.equal(span!.attributes['http.response.status_code'], 502)
})
