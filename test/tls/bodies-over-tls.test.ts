/** Large bodies, slow readers and broken connections over TLS behave as they do in clear text. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { eventually } from '../support/proxy.ts'
import { Ca } from './certificates.ts'
import { type Terminating, terminating } from './terminating.ts'

const MIB = 1024 * 1024

interface Scene {
  readonly ca: Buffer
  readonly to: Terminating
  readonly origin: Server
}

async function scene(t: TestContext, handler: Parameters<typeof createServer>[1], settings = {}): Promise<Scene> {
  const ca = await Ca.make(t)
  const { cert, key } = await ca.issue('server')
  const origin = createServer(handler as never)
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    origin.closeAllConnections()
    origin.close()
  })
  const url = `http://127.0.0.1:${(origin.address() as AddressInfo).port}`
  const to = await terminating(t, { settings: { 'tls.cert': cert, 'tls.key': key, 'upstream.url': url, ...settings } })
  return { ca: readFileSync(ca.cert), to, origin }
}

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`${maxVersion}: 24 MiB there and back, byte for byte`, async (t) => {
    const { ca, to } = await scene(t, (incoming, outgoing) => void incoming.pipe(outgoing))
    const body = randomBytes(24 * MIB)
    const hash = createHash('sha256')
    let got = 0
    await new Promise<void>((resolve, reject) => {
      const call = request({ port: to.port, servername: 'localhost', ca, maxVersion, method: 'POST', agent: false })
      call.on('error', reject).on('response', (response) => {
        response.on('data', (chunk: Buffer) => {
          got += chunk.length
          hash.update(chunk)
        })
        response.on('end', resolve)
      })
      call.end(body)
    })
    assert.equal(got, body.length)
    assert.equal(hash.digest('hex'), createHash('sha256').update(body).digest('hex'))
  })
}

test('a client that stops reading stops the origin, and is cut off when it goes on so', async (t) => {
  let written = 0
  let closed = false
  const { ca, to } = await scene(
    t,
    (_incoming, outgoing) => {
      outgoing.on('close', () => {
        closed = true
      })
      const more = (): void => {
        while (!closed && outgoing.write(Buffer.alloc(64 * 1024))) written += 64 * 1024
        outgoing.once('drain', more)
      }
      more()
    },
    { 'timeouts.slowReaderMs': '700' },
  )
  const peer = await to.dial({ ca })
  peer.send('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await peer.until('an answer', () => peer.unread.length > 0)
  peer.tls.pause()
  await eventually('the cut', () => closed)
  assert.ok(written < 64 * MIB, `${written} bytes were taken from the origin`)
  const [span] = await to.spans(({ name }) => name === 'GET')
  assert.equal(span!.attributes['hopscope.error.code'], 'client_too_slow')
})

test('an origin that breaks off: the client cannot take the body for whole', async (t) => {
  let breakOff = (): void => {}
  const { ca, to } = await scene(t, (_incoming, outgoing) => {
    breakOff = () => outgoing.socket!.resetAndDestroy()
    outgoing.writeHead(200, { 'content-length': 1000 })
    outgoing.write('half')
  })
  const peer = await to.dial({ ca })
  peer.send('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  // Not before: a reset behind unread bytes looks like an end to libuv, whoever sends it.
  await peer.until('half', () => peer.unread.endsWith('half'))
  breakOff()
  assert.equal(await peer.until('more', () => false).catch(() => peer.ending), 'reset')
})

test('a client that goes away in the middle of its upload ends the call upstream', async (t) => {
  let broken = false
  const { ca, to } = await scene(t, (incoming) => {
    incoming
      .on('data', () => {})
      .on('error', () => {
        broken = true
      })
  })
  const peer = await to.dial({ ca })
  peer.send('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nhalf')
  const [span] = await Promise.all([
    to.spans(({ name }) => name === 'POST').then(([one]) => one!),
    eventually('the request', () => to.proxy.plane.active === 1).then(() => peer.tls.destroy()),
  ])
  assert.equal(span.attributes['hopscope.error.code'], 'client_closed')
  await eventually('the end upstream', () => broken)
})

test('keep-alive of thousands of small requests in flight on many connections', async (t) => {
  const { ca, to } = await scene(t, (_incoming, outgoing) => void outgoing.end('small'))
  const peers = await Promise.all(Array.from({ length: 20 }, () => to.dial({ ca })))
  await Promise.all(
    peers.map(async (peer) => {
      for (let i = 0; i < 100; i++) assert.equal((await peer.get()).body, 'small')
    }),
  )
  assert.equal(await to.metric('hopscope_tls_handshakes_total{outcome="full"}'), 20)
})
