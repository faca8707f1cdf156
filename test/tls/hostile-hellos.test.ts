/** ClientHellos in any pieces are read; those without end, and clients that go on with nothing, cost no more than time. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { connect as connectTcp, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { Ca } from './certificates.ts'
import { clientHello, records } from './hellos.ts'
import { noOpenssl, sClient } from './openssl.ts'
import { dialTls, type Terminating, terminating } from './terminating.ts'

async function started(t: TestContext, settings: Record<string, string> = {}): Promise<{ ca: Ca; to: Terminating }> {
  const ca = await Ca.make(t)
  const { cert, key } = await ca.issue('server')
  return { ca, to: await terminating(t, { settings: { 'tls.cert': cert, 'tls.key': key, ...settings } }) }
}

/** A relay before the proxy that cuts what the client says first into single bytes. */
async function dribbling(t: TestContext, port: number): Promise<number> {
  const sockets: Socket[] = []
  const server = createServer({ noDelay: true }, (client) => {
    const onward = connectTcp({ port, host: '127.0.0.1', noDelay: true })
    sockets.push(client, onward)
    onward.on('error', () => client.destroy()).pipe(client)
    client.on('error', () => onward.destroy())
    client.once('data', async (hello: Buffer) => {
      client.pause()
      for (const byte of hello) {
        onward.write(Buffer.from([byte]))
        await new Promise((resolve) => setImmediate(resolve))
      }
      client.pipe(onward)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as { port: number }).port
}

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`${maxVersion}: a hello that comes byte by byte`, async (t) => {
    const { ca, to } = await started(t)
    const port = await dribbling(t, to.port)
    const socket = await dialTls({ port, ca: readFileSync(ca.cert), maxVersion })
    t.after(() => socket.destroy())
    socket.write('GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n')
    const answer = await new Promise<Buffer>((resolve) => socket.once('data', resolve))
    assert.match(answer.toString(), /200 OK/)
  })
}

/** Send bytes; what comes first, or how it ends. */
async function sent(t: TestContext, port: number, bytes: Buffer): Promise<Buffer | 'closed'> {
  const socket = connectTcp(port, '127.0.0.1').on('error', () => {})
  t.after(() => socket.destroy())
  socket.write(bytes)
  return await new Promise((resolve) => {
    socket.once('data', resolve)
    socket.once('close', () => resolve('closed'))
  })
}

const HANDSHAKE = 22
const SERVER_HELLO = 2

test('a hello in records of any size gets its ServerHello', async (t) => {
  const { to } = await started(t)
  for (const size of [1, 2, 3, 4, 5, 64, 16_384]) {
    const answer = await sent(t, to.port, records(clientHello({ padding: 300 }), size))
    assert.notEqual(answer, 'closed', `records of ${size}`)
    assert.deepEqual([answer[0], answer[5]], [HANDSHAKE, SERVER_HELLO], `records of ${size}`)
  }
})

test('a hello of 15 KiB is read, one of 64 KiB is refused at once', async (t) => {
  const { to } = await started(t)
  const long = await sent(t, to.port, records(clientHello({ padding: 15_000 })))
  assert.equal(long[0], HANDSHAKE)
  const startMs = performance.now()
  assert.equal(await sent(t, to.port, records(clientHello({ padding: 64_000 }))), 'closed')
  assert.ok(performance.now() - startMs < 1000)
  const [span] = await to.spans(({ attributes }) => attributes['error.type'] === 'client_tls_bad_hello')
  assert.match(span!.status!.message, /too long/)
})

test('silence, half a hello, and records without end are over at the deadline', async (t) => {
  const { to } = await started(t, { 'timeouts.handshakeMs': '400' })
  const startMs = performance.now()
  const hello = records(clientHello())
  const endless = (async () => {
    const socket = connectTcp(to.port, '127.0.0.1').on('error', () => {})
    const closed = new Promise((resolve) => socket.once('close', () => resolve('closed')))
    // One byte of a hello each time: never silent, never done.
    let at = 0
    const timer = setInterval(() => socket.write(hello.subarray(at, ++at)), 20)
    t.after(() => clearInterval(timer))
    return await closed
  })()
  const ends = await Promise.all([
    sent(t, to.port, Buffer.alloc(0)),
    sent(t, to.port, hello.subarray(0, 40)),
    sent(t, to.port, hello.subarray(0, 1)),
    endless,
  ])
  assert.deepEqual(ends, ['closed', 'closed', 'closed', 'closed'])
  const elapsedMs = performance.now() - startMs
  assert.ok(elapsedMs >= 390 && elapsedMs < 1500, `${elapsedMs}`)
  await to.spans(({ attributes }) => attributes['error.type'] === 'client_tls_timeout', 4)
  assert.equal(to.proxy.plane.connections, 0)
})

test('a client cannot renegotiate', { skip: noOpenssl }, async (t) => {
  const { to, ca } = await started(t)
  const flags = ['-tls1_2', '-CAfile', ca.cert, '-servername', 'localhost', '-legacy_renegotiation']
  // s_client takes a line that says R for the wish to renegotiate.
  const said = await sClient(to.port, flags, { input: 'R\n', until: /no_renegotiation|no renegotiation|alert/i })
  assert.match(said, /RENEGOTIATING/)
  assert.match(said, /no renegotiation/i)
})

test('garbage after the hello ends the connection, not the process', async (t) => {
  const { to, ca } = await started(t)
  const bytes = Buffer.concat([records(clientHello()), Buffer.from([23, 3, 3, 0, 5]), Buffer.from('junk!')])
  const socket = connectTcp(to.port, '127.0.0.1').on('error', () => {})
  socket.resume().write(bytes)
  await new Promise((resolve) => socket.once('close', resolve))
  const spans = await to.spans(({ name }) => name === 'tls handshake')
  assert.match(String(spans[0]!.attributes['error.type']), /^client_tls_(failed|aborted)$/)
  assert.equal((await (await to.dial({ ca: readFileSync(ca.cert) })).get()).status, 200)
})

test('garbage on an established connection ends that connection', async (t) => {
  const { to, ca } = await started(t)
  const good = await to.dial({ ca: readFileSync(ca.cert) })
  const raw = connectTcp(to.port, '127.0.0.1').on('error', () => {})
  const socket = await dialTls({ socket: raw, ca: readFileSync(ca.cert) } as never)
  socket.on('error', () => {})
  const closed = new Promise((resolve) => raw.once('close', resolve))
  raw.write(Buffer.concat([Buffer.from([23, 3, 3, 0, 32]), Buffer.alloc(32, 9)]))
  await closed
  assert.equal((await good.get()).status, 200)
})
