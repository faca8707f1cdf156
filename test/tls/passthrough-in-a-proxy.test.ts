/** A reverse proxy that takes some TLS on to its upstream unread, by server name, and terminates the rest. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { createServer, type Server } from 'node:tls'
import { Origin, ok } from '../support/origin.ts'
import { Ca } from './certificates.ts'
import { terminating } from './terminating.ts'

/** An upstream that speaks TLS itself and says who answered. */
async function secureUpstream(t: TestContext, ca: Ca): Promise<Server> {
  const { cert, key } = await ca.issue('upstream', ['passed.example', '127.0.0.1'])
  const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (socket) => {
    socket.on('error', () => {})
    socket.on('data', () => socket.write(ok('from the upstream itself')))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return server
}

test('by rule: passed through with a span of the tunnel, the rest terminated and encrypted anew', async (t) => {
  const ca = await Ca.make(t)
  const upstream = await secureUpstream(t, ca)
  const { port } = upstream.address() as AddressInfo
  const { cert, key } = await ca.issue('proxy', ['terminated.example'])
  const to = await terminating(t, {
    settings: {
      'tls.cert': cert,
      'tls.key': key,
      'tls.passthrough': '*.nowhere.example,passed.example',
      'upstream.url': `https://127.0.0.1:${port}`,
      'upstream.tls.ca': ca.cert,
    },
    origin: await Origin.answering(() => ok('')),
  })
  const common = { ca: readFileSync(ca.cert) }
  const passed = await to.dial({ ...common, servername: 'passed.example', ALPNProtocols: ['http/1.1'] })
  assert.equal(passed.tls.getPeerX509Certificate()?.subjectAltName, 'DNS:passed.example, IP Address:127.0.0.1')
  assert.equal((await passed.get('/', 'passed.example')).body, 'from the upstream itself')
  passed.tls.destroy()
  const ended = await to.dial({ ...common, servername: 'terminated.example' })
  assert.equal(ended.tls.getPeerX509Certificate()?.subjectAltName, 'DNS:terminated.example')
  assert.equal((await ended.get('/', 'terminated.example')).body, 'from the upstream itself')
  const [tunnel] = await to.spans(({ name }) => name === 'tunnel tls')
  assert.equal(tunnel!.attributes['tls.client.server_name'], 'passed.example')
  assert.equal(tunnel!.attributes['hopscope.tls.alpn_offered'], 'http/1.1')
  assert.ok((tunnel!.attributes['hopscope.phase.tls_us'] as number) > 0)
  assert.ok((tunnel!.attributes['hopscope.tunnel.bytes_to_client'] as number) > 0)
  const [span] = await to.spans(({ name }) => name === 'GET')
  assert.equal(span!.attributes['tls.client.server_name'], 'terminated.example')
  assert.equal(span!.attributes['hopscope.upstream.tls.protocol.version'], '1.3')
  assert.equal(span!.attributes['hopscope.upstream.tls.cipher'], 'TLS_AES_256_GCM_SHA384')
})

test('an upstream that is the proxy itself: one connection, and the tunnel says so', async (t) => {
  const holder = createServer()
  holder.listen(0, '127.0.0.1')
  await once(holder, 'listening')
  const { port } = holder.address() as AddressInfo
  holder.close()
  const to = await terminating(t, {
    settings: {
      ...{ 'tls.passthrough': '*', listen: `127.0.0.1:${port}` },
      'upstream.url': `https://localhost:${port}`,
    },
  })
  await assert.rejects(to.dial({ servername: 'passed.example' }))
  const [tunnel] = await to.spans(({ name }) => name === 'tunnel tls')
  assert.equal(tunnel!.attributes['hopscope.error.code'], 'loop_detected')
  assert.equal((await to.spans(({ name }) => name.startsWith('tunnel'))).length, 1)
})

test('an upstream that refuses a tunnel is counted by its code, as for an exchange', async (t) => {
  const holder = createServer()
  holder.listen(0, '127.0.0.1')
  await once(holder, 'listening')
  const { port } = holder.address() as AddressInfo
  holder.close()
  const to = await terminating(t, {
    settings: { 'tls.passthrough': '*', 'upstream.url': `https://127.0.0.1:${port}` },
  })
  await assert.rejects(to.dial({ servername: 'passed.example' }))
  const [tunnel] = await to.spans(({ name }) => name === 'tunnel tls')
  assert.equal(tunnel!.attributes['hopscope.error.code'], 'connection_refused')
  const labels = 'code="connection_refused",phase="connect",source="upstream"'
  assert.equal(await to.metric(`hopscope_errors_total{${labels}}`), 1)
  assert.equal(await to.metric('hopscope_tunnels_total{reason="tls"}'), 1)
})

test('without a certificate of its own, all TLS goes on', async (t) => {
  const ca = await Ca.make(t)
  const { port } = (await secureUpstream(t, ca)).address() as AddressInfo
  const to = await terminating(t, {
    settings: { 'tls.passthrough': '*', 'upstream.url': `https://127.0.0.1:${port}` },
  })
  const peer = await to.dial({ ca: readFileSync(ca.cert), servername: 'passed.example' })
  assert.equal((await peer.get('/', 'passed.example')).body, 'from the upstream itself')
})
