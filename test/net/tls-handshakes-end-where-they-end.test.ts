/** Real handshakes through a relay: the watch says they are over when they are, whoever speaks next and when. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer, connect as dial, type Server, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { connect, createServer as createTlsServer, type SecureVersion, type TLSSocket } from 'node:tls'
import { TlsWatch } from '../../src/net/tls-watch.ts'
import { Authority, noOpenssl } from '../support/certificates.ts'

const portOf = (server: Server): number => (server.address() as AddressInfo).port

/** What went over the wire, in order. */
type Passed = readonly { readonly from: 'client' | 'server'; readonly bytes: Buffer }[]

/** A handshake with nothing said after it: all that passed until both ends knew it as done. */
async function handshake(t: TestContext, version: SecureVersion): Promise<{ silent: Passed; client: TLSSocket }> {
  const { cert, key } = new Authority().issue('server')
  const server = createTlsServer({ cert: readFileSync(cert), key: readFileSync(key) }, (socket) => {
    socket.on('error', () => {})
    socket.resume()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const passed: { from: 'client' | 'server'; bytes: Buffer }[] = []
  const sockets: Socket[] = []
  const relay = createServer((down) => {
    const up = dial(portOf(server), '127.0.0.1')
    sockets.push(down, up)
    const pass = (from: 'client' | 'server', to: Socket) => (bytes: Buffer) => {
      passed.push({ from, bytes })
      to.write(bytes)
    }
    down.on('data', pass('client', up)).on('error', () => {})
    up.on('data', pass('server', down)).on('error', () => {})
  }).listen(0, '127.0.0.1')
  await once(relay, 'listening')
  const options = { port: portOf(relay), host: '127.0.0.1', minVersion: version, maxVersion: version }
  const secured = once(server, 'secureConnection')
  const client = connect({ ...options, rejectUnauthorized: false })
  client.on('error', () => {})
  t.after(() => {
    for (const socket of [client, ...sockets]) socket.destroy()
    server.close()
    relay.close()
  })
  await Promise.all([once(client, 'secureConnect'), secured])
  return { silent: passed, client }
}

/** Bytes of both sides after which the watch says that it is over, fed in pieces of `step`; -1: it does not. */
function overAfter(passed: Passed, step: number): number {
  const watch = new TlsWatch()
  let seen = 0
  for (const { from, bytes } of passed) {
    for (let at = 0; at < bytes.length; at += step) {
      const end = Math.min(at + step, bytes.length)
      const over = from === 'client' ? watch.client(bytes, at, end) : watch.server(bytes, at, end)
      if (over) return seen + at
    }
    seen += bytes.length
  }
  return -1
}

const WHOLE = Number.MAX_SAFE_INTEGER

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`${version}: it is over though nobody said anything after it, and not before both sides are done`, {
    skip: noOpenssl,
  }, async (t) => {
    const { silent } = await handshake(t, version)
    assert.notEqual(overAfter(silent, WHOLE), -1, 'it never was')
    const at = overAfter(silent, 1)
    assert.ok(at >= 0)
    assert.ok(at >= overAfter(silent, WHOLE), 'the split of the bytes matters')
    // Without what the client sent last of all the server cannot have been done.
    const lastOfClient = silent.findLastIndex(({ from }) => from === 'client')
    assert.equal(overAfter(silent.slice(0, lastOfClient), 1), -1)
  })
}

test('early data of the client does not end it', () => {
  const record = (type: number): Buffer => Buffer.from([type, 3, 3, 0, 1, 0])
  const [hello, changeCipher, data] = [record(22), record(20), record(23)]
  const watch = new TlsWatch()
  const early = Buffer.concat([hello, changeCipher, data, data])
  assert.equal(watch.client(early, 0, early.length), false)
  assert.equal(watch.server(hello, 0, hello.length), false)
  assert.equal(watch.client(data, 0, data.length), true)
})
