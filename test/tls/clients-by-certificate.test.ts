/** mTLS: who a client is stands in the span, decides whether it is served, and stays with a resumed session. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import type { ConnectionOptions } from 'node:tls'
import { eventually, problem } from '../support/proxy.ts'
import { Ca, type Files } from './certificates.ts'
import { type SecurePeer, type Terminating, terminating } from './terminating.ts'

interface Scene {
  readonly clients: Ca
  readonly to: Terminating
  dial(pair?: Files, more?: ConnectionOptions): Promise<SecurePeer>
}

async function scene(t: TestContext, settings: Record<string, string>): Promise<Scene> {
  const ca = await Ca.make(t)
  const clients = await Ca.make(t, 'clients')
  const { cert, key } = await ca.issue('server')
  const common = { 'tls.cert': cert, 'tls.key': key, 'tls.clientCa': clients.cert }
  const to = await terminating(t, { settings: { ...common, ...settings } })
  return {
    clients,
    to,
    dial: (pair, more) =>
      to.dial({ ca: readFileSync(ca.cert), ...(pair && { cert: pair.pem.cert, key: pair.pem.key }), ...more }),
  }
}

const SPIFFE = 'spiffe://mesh.example/ns/shop/sa/web'

test('the identity is in the span: SPIFFE id, names, subject, issuer, hash and date', async (t) => {
  const { clients, to, dial } = await scene(t, { 'tls.clientAuth': 'require' })
  const pair = await clients.issue('web', [SPIFFE, 'web.shop.example'])
  assert.equal((await (await dial(pair)).get()).status, 200)
  const [span] = await to.spans(({ name }) => name === 'GET')
  const { attributes } = span!
  assert.equal(attributes['hopscope.tls.client.identity'], SPIFFE)
  assert.deepEqual(attributes['hopscope.tls.client.names'], [SPIFFE, 'web.shop.example'])
  assert.equal(attributes['tls.client.subject'], 'CN=a test')
  assert.equal(attributes['tls.client.issuer'], 'CN=clients')
  assert.match(String(attributes['tls.client.hash.sha256']), /^[0-9A-F]{64}$/)
  assert.ok(Date.parse(String(attributes['tls.client.not_after'])) > Date.now())
})

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`${maxVersion}: a resumed session has the identity that it began with`, async (t) => {
    const { clients, to, dial } = await scene(t, { 'tls.clientAuth': 'require' })
    const pair = await clients.issue('web', ['web.example'])
    const first = await dial(pair, { maxVersion })
    const session = new Promise<Buffer>((resolve) => first.tls.once('session', resolve))
    await first.get()
    const kept = maxVersion === 'TLSv1.2' ? first.tls.getSession()! : await session
    const again = await dial(pair, { maxVersion, session: kept })
    assert.equal(again.tls.isSessionReused(), true)
    assert.equal((await again.get()).status, 200)
    const spans = await to.spans(({ name }) => name === 'GET', 2)
    assert.deepEqual(
      spans.map(({ attributes }) => [attributes['tls.resumed'], attributes['hopscope.tls.client.identity']]),
      [
        [false, 'web.example'],
        [true, 'web.example'],
      ],
    )
  })
}

test('request: none is fine, a bad one is not', async (t) => {
  const { clients, to, dial } = await scene(t, { 'tls.clientAuth': 'request' })
  assert.equal((await (await dial()).get()).status, 200)
  assert.equal((await (await dial(await clients.issue('web', ['web.example']))).get()).status, 200)
  const stranger = await (await Ca.make(t, 'strangers')).issue('x', ['x'])
  const refused = await dial(stranger)
  await refused.ended()
  assert.equal(await to.metric('hopscope_tls_handshakes_total{outcome="client_tls_certificate_untrusted"}'), 1)
  const spans = await to.spans(({ name }) => name === 'GET', 2)
  assert.deepEqual(
    spans.map(({ attributes }) => attributes['hopscope.tls.client.identity']),
    [undefined, 'web.example'],
  )
})

test('off: not asked for, so that nobody has an identity', async (t) => {
  const { clients, to, dial } = await scene(t, {})
  const peer = await dial(await clients.issue('web', ['web.example']))
  assert.equal((await peer.get()).status, 200)
  const [span] = await to.spans(({ name }) => name === 'GET')
  assert.equal(span!.attributes['hopscope.tls.client.identity'], undefined)
})

test('allowed identities: patterns by parts; all others get 403 and are not forwarded', async (t) => {
  const allowed = [
    'spiffe://mesh.example/ns/*/sa/web',
    'spiffe://mesh.example/admin/**',
    '*.shop.example',
    'exact.example',
  ]
  const { clients, to, dial } = await scene(t, {
    'tls.clientAuth': 'request',
    'tls.allowedIdentities': allowed.join(','),
  })
  const verdicts: [string, number][] = []
  for (const name of [
    SPIFFE,
    'spiffe://mesh.example/ns/shop/sa/other',
    'spiffe://mesh.example/ns/a/b/sa/web',
    'spiffe://evil.example/ns/shop/sa/web',
    'spiffe://mesh.example/admin/a/b',
    'spiffe://mesh.example/admin',
    'web.shop.example',
    'a.web.shop.example',
    'shop.example',
    'exact.example',
    'EXACT.example',
    'inexact.example',
  ]) {
    const peer = await dial(await clients.issue('client', [name]))
    verdicts.push([name, (await peer.get()).status])
    peer.tls.destroy()
  }
  assert.deepEqual(
    verdicts.filter(([, status]) => status === 200).map(([name]) => name),
    [SPIFFE, 'spiffe://mesh.example/admin/a/b', 'web.shop.example', 'exact.example', 'EXACT.example'],
  )
  assert.ok(verdicts.every(([, status]) => status === 200 || status === 403))
  assert.equal(to.origin.requests.length, 5)
  const nobody = await (await dial()).get()
  assert.equal(nobody.status, 403)
  assert.equal(problem(nobody.body).code, 'identity_refused')
  const [span] = await to.spans(({ attributes }) => attributes['hopscope.error.code'] === 'identity_refused')
  assert.equal(span!.attributes['http.response.status_code'], 403)
})

test('a name with commas and quotes in a certificate is one name, and matches nothing by its parts', async (t) => {
  const { clients, dial } = await scene(t, {
    'tls.clientAuth': 'require',
    'tls.allowedIdentities': 'spiffe://mesh.example/good',
  })
  const pair = await clients.issue('client', ['spiffe://x/a, URI:spiffe://mesh.example/good'])
  assert.equal((await (await dial(pair)).get()).status, 403)
})

test('new authorities of clients: taken over, and sessions of before are worth nothing', async (t) => {
  const { clients, to, dial } = await scene(t, { 'tls.clientAuth': 'require' })
  const pair = await clients.issue('web', ['web.example'])
  const first = await dial(pair, { maxVersion: 'TLSv1.2' })
  assert.equal((await first.get()).status, 200)
  const session = first.tls.getSession()!
  const successor = await Ca.make(t, 'successor')
  writeFileSync(clients.cert, readFileSync(successor.cert))
  const fresh = await successor.issue('web', ['web.example'])
  let served = false
  await eventually('the new authority', () => {
    if (!served) {
      dial(fresh)
        .then((peer) => peer.get())
        .then(({ status }) => {
          served ||= status === 200
        })
        .catch(() => {})
    }
    return served
  })
  assert.equal((await first.get()).status, 200)
  // TLS 1.2: the certificate is looked at within the handshake, and the old one brings none that is known.
  await dial(pair, { maxVersion: 'TLSv1.2', session }).then(
    (peer) => peer.ended(),
    () => {},
  )
  assert.ok((await to.metric('hopscope_tls_handshakes_total{outcome="client_tls_certificate_untrusted"}')) >= 1)
})
