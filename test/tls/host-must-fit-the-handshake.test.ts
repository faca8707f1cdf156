/** A request for another host than the TLS connection was made for: 421, unless the certificate covers it (security #32). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { problem } from '../support/proxy.ts'
import { Ca } from './certificates.ts'
import { terminating } from './terminating.ts'

for (const [check, misdirected] of [
  ['true', 421],
  ['false', 200],
] as const) {
  test(`tls.checkAuthority ${check}`, async (t) => {
    const ca = await Ca.make(t)
    const { cert, key } = await ca.issue('server', ['allowed.example', '*.wild.example', '10.0.0.1'])
    const settings = { 'tls.cert': cert, 'tls.key': key, 'tls.checkAuthority': check }
    const to = await terminating(t, { settings })
    const statusOf = async (servername: string, host: string): Promise<number> => {
      const peer = await to.dial({ servername, rejectUnauthorized: false })
      const { status, body } = await peer.get('/', host)
      if (status === 421) assert.equal(problem(body).code, 'misdirected_request')
      peer.tls.destroy()
      return status
    }
    for (const [servername, host] of [
      ['allowed.example', 'allowed.example'],
      ['allowed.example', 'Allowed.Example.:8443'],
      ['allowed.example', 'any.wild.example'],
      ['allowed.example', '10.0.0.1:443'],
      ['unknown.example', 'unknown.example'],
      ['', 'internal.example'],
    ] as const) {
      assert.equal(await statusOf(servername, host), 200, `${servername} ${host}`)
    }
    for (const host of [
      'internal.example',
      'wild.example',
      'a.b.wild.example',
      '10.0.0.2',
      '[::1]',
      'allowed.example.evil',
    ]) {
      assert.equal(await statusOf('allowed.example', host), misdirected, host)
    }
  })
}

test('the second request of a connection is looked at like the first', async (t) => {
  const ca = await Ca.make(t)
  const { cert, key } = await ca.issue('server', ['allowed.example'])
  const to = await terminating(t, { settings: { 'tls.cert': cert, 'tls.key': key } })
  const peer = await to.dial({ servername: 'allowed.example', rejectUnauthorized: false })
  assert.equal((await peer.get('/', 'allowed.example')).status, 200)
  assert.equal((await peer.get('/', 'internal.example')).status, 421)
  assert.equal(to.origin.requests.length, 1)
})
