import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer as createSecureServer } from 'node:https'
import { type AddressInfo, createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { forwardProxyRoute, isExempt } from '../../src/upstream/forward-proxy.ts'
import { startInstance } from '../process/instance.ts'
import { Authority, noOpenssl } from '../support/certificates.ts'
import { field, type Message, Peer } from '../support/client.ts'
import { ForwardProxy } from '../support/forward-proxy.ts'
import { Origin, ok } from '../support/origin.ts'
import { delayIn, shown } from '../support/phases.ts'
import { problem, TestProxy } from '../support/proxy.ts'

const GET =
  'GET /a?b=c HTTP/1.1\r\nHost: shop.example\r\nProxy-Authorization: Basic Y2xpZW50\r\nX-A: 1\r\nX-A: 2\r\n\r\n'
const TIMEOUTS = { dnsMs: 1000, connectMs: 1000, tlsMs: 1000 }

interface Bench {
  readonly proxy: TestProxy
  call(request?: string): Promise<Message>
}

/** A proxy before `host:port`, behind the forward proxy at `proxyUrl`. */
async function bench(t: TestContext, proxyUrl: string, upstreamUrl: string, ca?: string): Promise<Bench> {
  const { protocol, hostname, port } = new URL(upstreamUrl)
  const route = await forwardProxyRoute({
    proxyUrl,
    destination: { host: hostname, port: Number(port), tls: protocol === 'https:' },
    tls: ca === undefined ? {} : { ca: readFileSync(ca, 'utf8') },
    timeouts: TIMEOUTS,
    maxConnections: 10,
    idleMs: 4000,
    headBytes: 65_536,
  })
  const proxy = await TestProxy.start(upstreamUrl, { route })
  t.after(() => proxy.close())
  return {
    proxy,
    async call(request = GET) {
      const client = await Peer.connect(proxy.port)
      t.after(() => client.socket.destroy())
      client.send(request)
      return await client.message()
    },
  }
}

test('clear text goes to it in absolute form, and its credentials end there', async (t) => {
  const origin = await Origin.answering(({ body }) => ok(`got ${body}`))
  const forward = await ForwardProxy.start({ credentials: 'me:p@ss', hosts: { 'upstream.example:8080': origin.port } })
  t.after(() => Promise.all([forward.close(), origin.close()]))
  const url = `http://me:p%40ss@127.0.0.1:${forward.port}`
  const { proxy, call } = await bench(t, url, 'http://upstream.example:8080')
  assert.equal((await call()).body, 'got ')
  const post = 'POST / HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'
  assert.equal((await call(post)).body, 'got hello')
  assert.match(forward.heads[0]!, /^GET http:\/\/upstream\.example:8080\/a\?b=c HTTP\/1\.1\r\n/)
  const [request] = origin.requests
  assert.equal(field(request!, 'host'), 'upstream.example:8080')
  assert.equal(field(request!, 'proxy-authorization'), undefined)
  assert.deepEqual(
    request!.headers.filter(([name]) => name === 'X-A'),
    [
      ['X-A', '1'],
      ['X-A', '2'],
    ],
  )
  const [seen] = await proxy.finished(2)
  assert.equal(seen!.error, undefined)
})

test('a body that the close of the connection ends is whole by FIN, and broken off by RST', async (t) => {
  const forward = await Origin.start(async (peer) => {
    const { start } = await peer.message()
    peer.send('HTTP/1.1 200 OK\r\n\r\nabc')
    await new Promise((resolve) => setTimeout(resolve, 30))
    if (start.includes('/rst')) peer.reset()
    else peer.finish()
  })
  t.after(() => forward.close())
  const { proxy, call } = await bench(t, `http://127.0.0.1:${forward.port}`, 'http://upstream.example:8080')
  assert.equal((await call('GET /fin HTTP/1.1\r\nHost: here\r\n\r\n')).body, 'abc')
  await assert.rejects(call('GET /rst HTTP/1.1\r\nHost: here\r\n\r\n'))
  const [whole, broken] = await proxy.finished(2)
  assert.equal(whole!.error, undefined)
  assert.deepEqual([broken!.error?.code, broken!.error?.errno], ['upstream_aborted', 'ECONNRESET'])
})

test('OPTIONS * is asked for in absolute form without a path', async (t) => {
  const forward = await Origin.answering(() => ok('x'))
  t.after(() => forward.close())
  const { call } = await bench(t, `http://127.0.0.1:${forward.port}`, 'http://upstream.example:8080')
  assert.equal((await call('OPTIONS * HTTP/1.1\r\nHost: here\r\n\r\n')).status, 200)
  assert.equal(forward.requests[0]!.start, 'OPTIONS http://upstream.example:8080 HTTP/1.1')
})

test('wrong credentials: 502 egress_refused, not the 407 that is for us', async (t) => {
  const forward = await ForwardProxy.start({ credentials: 'me:right' })
  t.after(() => forward.close())
  const { call } = await bench(t, `http://me:wrong@127.0.0.1:${forward.port}`, 'http://upstream.example:8080')
  const response = await call()
  const { code, detail } = problem(response.body)
  assert.deepEqual([response.status, code, detail], [502, 'egress_refused', 'status 407'])
})

/** A TLS server that tells what it got. */
async function secureOrigin(
  t: TestContext,
  authority: Authority,
): Promise<{ port: number; fieldsOf: string[][]; names: unknown[] }> {
  const { cert, key } = authority.issue('upstream')
  const fieldsOf: string[][] = []
  const server = createSecureServer({ cert: readFileSync(cert), key: readFileSync(key) }, (request, response) => {
    fieldsOf.push(request.rawHeaders)
    response.end(`${request.method} ${request.url} as ${request.headers.host}`)
  })
  const names: unknown[] = []
  server.on('secureConnection', (socket) => names.push(socket.servername))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, fieldsOf, names }
}

test('TLS goes through a tunnel, checked against the name of the upstream', { skip: noOpenssl }, async (t) => {
  const authority = new Authority()
  const { port, fieldsOf } = await secureOrigin(t, authority)
  const forward = await ForwardProxy.start({ credentials: 'me:right' })
  t.after(() => forward.close())
  const url = `http://me:right@127.0.0.1:${forward.port}`
  const { proxy, call } = await bench(t, url, `https://localhost:${port}`, authority.cert)
  assert.equal((await call()).body, 'GET /a?b=c as shop.example')
  assert.equal((await call()).body, 'GET /a?b=c as shop.example')
  assert.equal(forward.heads.length, 1, 'the tunnel is used again')
  assert.match(forward.heads[0]!, new RegExp(`^CONNECT localhost:${port} HTTP/1\\.1\\r\\n`))
  const names = fieldsOf[0]!.filter((_, i) => i % 2 === 0)
  assert.deepEqual(
    names.filter((name) => /^x-a$/i.test(name)),
    ['X-A', 'X-A'],
  )
  assert.ok(!names.some((name) => /^proxy-/i.test(name)))
  const [first, second] = await proxy.finished(2)
  assert.deepEqual([first!.reused, second!.reused], [false, true])
  assert.ok(first!.phases.connect! > 0)
})

test('an upstream that is an address is checked against it, and SNI is left out', { skip: noOpenssl }, async (t) => {
  const authority = new Authority()
  const { port, names } = await secureOrigin(t, authority)
  const forward = await ForwardProxy.start()
  t.after(() => forward.close())
  const { call } = await bench(t, `http://127.0.0.1:${forward.port}`, `https://127.0.0.1:${port}`, authority.cert)
  assert.equal((await call()).body, 'GET /a?b=c as shop.example')
  assert.equal((await call(GET.replace('shop', 'other'))).body, 'GET /a?b=c as other.example')
  assert.deepEqual(names, [false], 'one handshake, without a name')
})

test('an upstream that nobody vouches for, behind a tunnel: 502 tls_unknown_ca', { skip: noOpenssl }, async (t) => {
  const { port } = await secureOrigin(t, new Authority())
  const forward = await ForwardProxy.start()
  t.after(() => forward.close())
  const { call } = await bench(t, `http://127.0.0.1:${forward.port}`, `https://localhost:${port}`)
  const response = await call()
  const { code, phase } = problem(response.body)
  assert.deepEqual([response.status, code, phase], [502, 'tls_unknown_ca', 'tls'])
})

test('a tunnel that is refused: 502 egress_refused', async (t) => {
  const forward = await ForwardProxy.start({ refuses: 403 })
  t.after(() => forward.close())
  const { proxy, call } = await bench(t, `http://127.0.0.1:${forward.port}`, 'https://upstream.example:443')
  const response = await call()
  const { code, phase, detail } = problem(response.body)
  assert.deepEqual([response.status, code, phase, detail], [502, 'egress_refused', 'connect', 'status 403'])
  assert.deepEqual(Object.keys((await proxy.finished(1))[0]!.phases), ['queue', 'connect'])
})

test('a forward proxy that never answers CONNECT: 504 within its time, in connect', async (t) => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.after(() => silent.close())
  const { port } = silent.address() as AddressInfo
  const { proxy, call } = await bench(t, `http://127.0.0.1:${port}`, 'https://upstream.example:443')
  const response = await call()
  const { code, phase } = problem(response.body)
  assert.deepEqual([response.status, code, phase], [504, 'connect_timeout', 'connect'])
  const ms = shown((await proxy.finished(1))[0]!)
  assert.ok(ms.connect! > 900 && ms.connect! < 3000, JSON.stringify(ms))
})

test('a forward proxy that hangs up on CONNECT: 502', async (t) => {
  const rude = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
  await once(rude, 'listening')
  t.after(() => rude.close())
  const { port } = rude.address() as AddressInfo
  const { call } = await bench(t, `http://127.0.0.1:${port}`, 'https://upstream.example:443')
  const response = await call()
  assert.deepEqual([response.status, problem(response.body).phase], [502, 'connect'])
})

test('a known delay of the upstream is in wait', async (t) => {
  const origin = await Origin.start(async (peer) => {
    await peer.message()
    await new Promise((resolve) => setTimeout(resolve, 200))
    peer.send(ok('x'))
  })
  const forward = await ForwardProxy.start()
  t.after(() => Promise.all([forward.close(), origin.close()]))
  const { proxy, call } = await bench(t, `http://127.0.0.1:${forward.port}`, `http://upstream.example:${origin.port}`)
  await call()
  delayIn((await proxy.finished(1))[0]!, 'wait', 200)
})

test('HTTP_PROXY and NO_PROXY of the environment count', async (t) => {
  const origin = await Origin.answering(() => ok('x'))
  const forward = await ForwardProxy.start({ hosts: { 'upstream.example:80': origin.port } })
  t.after(() => Promise.all([forward.close(), origin.close()]))
  const env = { ...process.env, HTTP_PROXY: `127.0.0.1:${forward.port}`, http_proxy: '', no_proxy: '' }
  for (const [noProxy, status] of [
    ['other.example, .internal', 200],
    ['upstream.example', 502],
  ] as const) {
    const instance = await startInstance('http://upstream.example', [], undefined, { ...env, NO_PROXY: noProxy })
    t.after(() => instance.stop())
    assert.equal((await fetch(`http://127.0.0.1:${instance.port}/`)).status, status)
  }
  assert.equal(forward.heads.length, 1)
})

test('what NO_PROXY means', () => {
  const rows: readonly [string, number, string, boolean][] = [
    ['localhost', 80, '', true],
    ['127.0.0.1', 80, '', true],
    ['::1', 80, '', true],
    ['a.example', 80, 'example', true],
    ['a.example', 80, '.example', true],
    ['a.example', 80, '*.example', true],
    ['aexample', 80, 'example', false],
    ['A.Example', 80, 'a.example', true],
    ['a.example', 80, 'a.example:81', false],
    ['a.example', 81, 'a.example:81', true],
    ['10.1.2.3', 80, '10.0.0.0/8', true],
    ['11.1.2.3', 80, '10.0.0.0/8', false],
    ['10.1.2.3', 80, '10.1.2.3:80', true],
    ['fd00::1', 80, 'fd00::/8', true],
    ['fd00::1', 80, '[fd00::1]:80', true],
    ['fd00::1', 80, '[fd00::1]:81', false],
    ['10.1.2.3', 80, 'fd00::/8', false],
    ['10.1.2.3', 80, '10.0.0.0/nonsense', false],
    ['a.example', 80, '*', true],
  ]
  for (const [host, port, entry, direct] of rows) {
    assert.equal(isExempt(host, port, entry === '' ? [] : [entry]), direct, `${host}:${port} by ${entry}`)
  }
})
