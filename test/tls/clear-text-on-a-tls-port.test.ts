/** A request in clear text where TLS is terminated: told so, or served where that is allowed. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { Peer } from '../support/client.ts'
import { problem } from '../support/proxy.ts'
import { Ca } from './certificates.ts'
import { type Terminating, terminating } from './terminating.ts'

const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'

async function started(t: TestContext, settings = {}): Promise<{ ca: Ca; to: Terminating }> {
  const ca = await Ca.make(t)
  const { cert, key } = await ca.issue('server')
  return { ca, to: await terminating(t, { settings: { 'tls.cert': cert, 'tls.key': key, ...settings } }) }
}

test('refused by default: 400 with the code, the connection closed, nothing forwarded', async (t) => {
  const { to } = await started(t)
  const peer = await Peer.connect(to.port)
  peer.send(GET)
  const { status, body } = await peer.message()
  assert.equal(status, 400)
  assert.equal(problem(body).code, 'client_tls_expected')
  assert.equal(await peer.ended(), 'fin')
  assert.equal(to.origin.connections.length, 0)
  const [span] = await to.spans(({ name }) => name === 'GET')
  assert.equal(span!.attributes['hopscope.error.code'], 'client_tls_expected')
  assert.equal(span!.attributes['url.scheme'], 'http')
})

test('allowed: both on one port, and each says what it is', async (t) => {
  const { to, ca } = await started(t, { 'tls.clearText': 'allow' })
  const clear = await Peer.connect(to.port)
  clear.send(GET)
  assert.equal((await clear.message()).status, 200)
  clear.socket.destroy()
  assert.equal((await (await to.dial({ ca: readFileSync(ca.cert) })).get()).status, 200)
  const proto = to.origin.requests.map(({ headers }) => headers.find(([name]) => name === 'X-Forwarded-Proto')?.[1])
  assert.deepEqual(proto, ['http', 'https'])
  const odd = await Peer.connect(to.port)
  odd.send('BROKEN\r\n\r\n')
  assert.equal((await odd.message()).status, 400)
})
