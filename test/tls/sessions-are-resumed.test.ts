/** Sessions by ticket: a short handshake the second time, at any process, and nowhere under another name. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createSecureContext, type TLSSocket } from 'node:tls'
import { startInstance } from '../process/instance.ts'
import { Origin, ok } from '../support/origin.ts'
import { Ca, folder, write } from './certificates.ts'
import { noOpenssl, sClient } from './openssl.ts'
import { dialTls, type SecurePeer, terminating } from './terminating.ts'

const REQUEST = 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'
const ANSWERED = /HTTP\/1\.1 200 OK/

for (const version of ['1_2', '1_3']) {
  test(`openssl resumes its session of TLS ${version.replace('_', '.')}`, { skip: noOpenssl }, async (t) => {
    const ca = await Ca.make(t)
    const { cert, key } = await ca.issue('server')
    const to = await terminating(t, { settings: { 'tls.cert': cert, 'tls.key': key } })
    const file = join(ca.folder, 'session')
    const flags = [`-tls${version}`, '-CAfile', ca.cert, '-servername', 'localhost', '-ign_eof']
    const first = await sClient(to.port, [...flags, '-sess_out', file], { input: REQUEST })
    assert.match(first, /^New, /m)
    assert.match(first, ANSWERED)
    const second = await sClient(to.port, [...flags, '-sess_in', file], { input: REQUEST })
    assert.match(second, /^Reused, /m)
    assert.match(second, ANSWERED)
    assert.equal(await to.metric('hopscope_tls_handshakes_total{outcome="full"}'), 1)
    assert.equal(await to.metric('hopscope_tls_handshakes_total{outcome="resumed"}'), 1)
    const spans = await to.spans(({ name }) => name === 'GET', 2)
    assert.deepEqual(
      spans.map(({ attributes }) => attributes['tls.resumed']),
      [false, true],
    )
  })
}

/** The session of a connection, once the server has handed one out; in TLS 1.3 that is after the handshake. */
async function sessionOf(peer: SecurePeer): Promise<Buffer> {
  if (peer.tls.getProtocol() === 'TLSv1.2') return peer.tls.getSession()!
  const session = new Promise<Buffer>((resolve) => peer.tls.once('session', resolve))
  await peer.get('/', peer.tls.servername || 'localhost')
  return await session
}

test('a session of one certificate is worth nothing at another', async (t) => {
  const ca = await Ca.make(t)
  const path = folder(t)
  for (const name of ['one.example', 'two.example']) write(path, name, await ca.mint([name]))
  const to = await terminating(t, { settings: { 'tls.certificates': path } })
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const common = { ca: readFileSync(ca.cert), maxVersion }
    const session = await sessionOf(await to.dial({ ...common, servername: 'one.example' }))
    const again = await to.dial({ ...common, servername: 'one.example', session })
    assert.equal(again.tls.isSessionReused(), true)
    const other = await to.dial({ ...common, servername: 'two.example', session, checkServerIdentity: () => undefined })
    assert.equal(other.tls.isSessionReused(), false)
    assert.equal(other.tls.getPeerX509Certificate()?.subjectAltName, 'DNS:two.example')
  }
})

test('new ticket keys: old sessions are made anew, connections stay', async (t) => {
  const ca = await Ca.make(t)
  const { cert, key } = await ca.issue('server')
  const to = await terminating(t, { settings: { 'tls.cert': cert, 'tls.key': key } })
  const common = { ca: readFileSync(ca.cert) }
  const before = await to.dial(common)
  const session = await sessionOf(before)
  to.proxy.setTicketKeys(Buffer.alloc(48, 7))
  assert.equal((await before.get()).status, 200)
  const after = await to.dial({ ...common, session })
  assert.equal(after.tls.isSessionReused(), false)
  const fresh = await sessionOf(after)
  assert.equal((await to.dial({ ...common, session: fresh })).tls.isSessionReused(), true)
})

async function several(t: TestContext, ca: Ca): Promise<number> {
  const origin = await Origin.answering(() => ok('x'))
  const { cert, key } = await ca.issue('server')
  const flags = ['--tls-cert', cert, '--tls-key', key, '--concurrency', '2']
  const instance = await startInstance(`http://127.0.0.1:${origin.port}`, flags)
  t.after(async () => {
    await instance.stop('SIGKILL')
    await origin.close()
  })
  return instance.port
}

test('the processes of --concurrency resume the sessions of each other', async (t) => {
  const ca = await Ca.make(t)
  const port = await several(t, ca)
  const secureContext = createSecureContext({ ca: readFileSync(ca.cert) })
  const open: TLSSocket[] = []
  t.after(() => {
    for (const socket of open) socket.destroy()
  })
  const dial = async (session?: Buffer): Promise<TLSSocket> => {
    const socket = await dialTls({ port, secureContext, ...(session && { session }) })
    open.push(socket)
    return socket
  }
  const first = await dial()
  const session = await new Promise<Buffer>((resolve) => {
    first.once('session', resolve)
    first.write(REQUEST)
  })
  // Both processes take connections while these are open; whichever took the first, some go to the other.
  const later = await Promise.all(Array.from({ length: 16 }, () => dial(session)))
  assert.deepEqual(
    later.map((socket) => socket.isSessionReused()),
    later.map(() => true),
  )
})
