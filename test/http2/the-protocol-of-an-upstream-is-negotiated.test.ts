import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createSecureServer, type Http2SecureServer } from 'node:http2'
import { createServer as createHttps, type Server as HttpsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import type { Exchange } from '../../src/exchange/exchange.ts'
import type { AttemptEvents } from '../../src/exchange/ports.ts'
import type { Wire } from '../../src/net/wire.ts'
import { UpstreamTls } from '../../src/tls/upstream-tls.ts'
import type { Http1Upstream } from '../../src/upstream/http1-upstream.ts'
import type { Http2Upstream } from '../../src/upstream/http2-upstream.ts'
import { NameResolver } from '../../src/upstream/resolver.ts'
import { Upstreams } from '../../src/upstream/upstreams.ts'
import { Authority, noOpenssl } from '../support/certificates.ts'
import { Peer } from '../support/client.ts'
import { TestProxy } from '../support/proxy.ts'

const authority = noOpenssl === false ? new Authority() : undefined

interface SecureServer {
  readonly port: number
  /** Connections that it has had. */
  sessions(): number
  /** Close it with its connections. */
  stop(): Promise<void>
  /** Have another listen in its place, then break its connections off. */
  replaceBy(start: () => Promise<SecureServer>): Promise<void>
}

async function listening(
  t: TestContext,
  server: HttpsServer | Http2SecureServer,
  port: number | undefined,
): Promise<SecureServer> {
  const sockets: Socket[] = []
  server.on('connection', (socket: Socket) => sockets.push(socket))
  server.listen(port ?? 0, '127.0.0.1')
  await once(server, 'listening')
  const stop = async (): Promise<void> => {
    if (!server.listening) return
    server.close()
    for (const socket of sockets) socket.destroy()
    await once(server, 'close')
  }
  t.after(stop)
  const replaceBy = async (start: () => Promise<SecureServer>): Promise<void> => {
    server.close()
    await start()
    for (const socket of sockets) socket.destroy()
  }
  return { port: (server.address() as AddressInfo).port, sessions: () => sockets.length, stop, replaceBy }
}

function pair(): { cert: Buffer; key: Buffer } {
  const { cert, key } = authority!.issue('localhost')
  return { cert: readFileSync(cert), key: readFileSync(key) }
}

/**
 * A server that says which version a request came in; `alpn` are the protocols that it takes. With `onLate`, requests to
 * `/late` are told to that and not answered.
 */
async function secureServer(
  t: TestContext,
  alpn: readonly string[],
  port?: number,
  onLate?: () => void,
): Promise<SecureServer> {
  const answer = (
    { url, httpVersion }: { url?: string | undefined; httpVersion: string },
    response: { end(body: string): unknown },
  ): void => {
    if (url === '/late' && onLate !== undefined) onLate()
    else response.end(httpVersion)
  }
  if (alpn.includes('h2')) {
    const server = createSecureServer({ ...pair(), allowHTTP1: alpn.includes('http/1.1') }, answer)
    return await listening(t, server, port)
  }
  const server = createHttps({ ...pair(), ...(alpn.length === 0 ? { ALPNProtocols: [] } : {}) }, answer)
  return await listening(t, server, port)
}

async function proxyTo(t: TestContext, port: number, protocol: string): Promise<TestProxy> {
  const flags = { 'upstream.protocol': protocol, 'upstream.tls.ca': authority!.cert }
  const proxy = await TestProxy.start(`https://localhost:${port}`, { flags })
  t.after(() => proxy.close())
  return proxy
}

async function version(proxy: TestProxy): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${proxy.port}/`)
  assert.equal(response.status, 200, await response.clone().text())
  return response.text()
}

test('a server that takes both gets HTTP/2, on one connection for all', { skip: noOpenssl }, async (t) => {
  const server = await secureServer(t, ['h2', 'http/1.1'])
  const proxy = await proxyTo(t, server.port, 'auto')
  const first = await Promise.all(Array.from({ length: 20 }, () => version(proxy)))
  assert.deepEqual(new Set(first), new Set(['2.0']))
  assert.equal(await version(proxy), '2.0')
  assert.equal(server.sessions(), 1)
  const [one] = await proxy.finished(21)
  assert.ok(one!.phases.tls! > 0, 'the exchange that waited for the handshake has its phases')
})

test('a server without HTTP/2, or without ALPN, gets HTTP/1.1', { skip: noOpenssl }, async (t) => {
  for (const alpn of [['http/1.1'], []]) {
    const server = await secureServer(t, alpn)
    const proxy = await proxyTo(t, server.port, 'auto')
    assert.deepEqual(await Promise.all([version(proxy), version(proxy), version(proxy)]), ['1.1', '1.1', '1.1'])
    assert.equal(await version(proxy), '1.1')
  }
})

test('the connection of the handshake serves the exchange that waited for it', { skip: noOpenssl }, async (t) => {
  const server = await secureServer(t, ['http/1.1'])
  const proxy = await proxyTo(t, server.port, 'auto')
  const client = await Peer.connect(proxy.port)
  t.after(() => client.socket.destroy())
  client.send('POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\n\r\nbody')
  assert.equal((await client.message()).body, '1.1')
  assert.equal(server.sessions(), 1)
})

test('who is cancelled by another that waited for the same handshake is not begun', { skip: noOpenssl }, async (t) => {
  const server = await secureServer(t, ['http/1.1'])
  const begun: Exchange[] = []
  const http1 = {
    adopt: (_info: unknown, _destination: unknown, wire: Wire) => wire.destroy(),
    attempt: (x: Exchange) => {
      begun.push(x)
      return { ready: true }
    },
  }
  const destination = { host: 'localhost', port: server.port, tls: true }
  const upstreams = new Upstreams({
    dial: {
      resolver: new NameResolver(),
      timeouts: { dnsMs: 1000, connectMs: 1000, tlsMs: 1000 },
      highWater: 65_536,
      tls: new UpstreamTls({ ca: authority!.cert }),
    },
    destinationOf: () => destination,
    protocolOf: () => 'negotiate',
    maxPending: 2,
    http1: http1 as unknown as Http1Upstream,
    http2: undefined as unknown as Http2Upstream,
  })
  const exchange = (): Exchange => ({ connection: {}, request: { upgrade: '' }, timing: {} }) as Exchange
  const [first, second] = [exchange(), exchange()]
  await new Promise<void>((resolve) => {
    const events = {
      onAttemptReady: () => {
        other.cancel()
        resolve()
      },
    } as unknown as AttemptEvents
    upstreams.attempt(first, events)
    const other = upstreams.attempt(second, events)
  })
  assert.deepEqual(begun, [first])
})

test('what is set is not negotiated', { skip: noOpenssl }, async (t) => {
  const server = await secureServer(t, ['h2', 'http/1.1'])
  assert.equal(await version(await proxyTo(t, server.port, 'http1')), '1.1')
  assert.equal(await version(await proxyTo(t, server.port, 'h2')), '2.0')
})

test('HTTP/2 that is set and not to be had is named', { skip: noOpenssl }, async (t) => {
  const server = await secureServer(t, ['http/1.1'])
  const proxy = await proxyTo(t, server.port, 'h2')
  const response = await fetch(`http://127.0.0.1:${proxy.port}/`)
  assert.equal(response.status, 502)
  assert.equal(((await response.json()) as { code: string }).code, 'tls_no_shared_protocol')
})

for (const [before, after] of [
  ['h2', 'http/1.1'],
  ['http/1.1', 'h2'],
] as const) {
  test(`a server of ${before} that is replaced by one of ${after} is asked again`, { skip: noOpenssl }, async (t) => {
    const old = await secureServer(t, [before])
    const proxy = await proxyTo(t, old.port, 'auto')
    assert.equal(await version(proxy), before === 'h2' ? '2.0' : '1.1')
    await old.stop()
    await secureServer(t, [after], old.port)
    const client = await Peer.connect(proxy.port)
    t.after(() => client.socket.destroy())
    client.send('POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\n\r\nbody')
    assert.equal((await client.message()).body, after === 'h2' ? '2.0' : '1.1')
    const [, moved] = await proxy.finished(2)
    assert.equal(moved?.attempts, 2, 'the exchange that found out goes on')
    await version(proxy)
    assert.equal((await proxy.finished(3))[2]?.attempts, 1)
  })
}

for (const [before, after] of [
  ['h2', 'http/1.1'],
  ['http/1.1', 'h2'],
] as const) {
  test(`a request that breaks off as ${before} and is sent again finds ${after}`, { skip: noOpenssl }, async (t) => {
    let asked = (): void => {}
    const late = new Promise<void>((resolve) => {
      asked = resolve
    })
    const old = await secureServer(t, [before], undefined, asked)
    const proxy = await proxyTo(t, old.port, 'auto')
    const client = await Peer.connect(proxy.port)
    t.after(() => client.socket.destroy())
    const get = (path: string): void => client.send(`GET ${path} HTTP/1.1\r\nHost: here\r\n\r\n`)
    get('/')
    await client.message()
    get('/late')
    await late
    await old.replaceBy(() => secureServer(t, [after], old.port))
    const { status, body } = await client.message()
    assert.deepEqual([status, body], [200, after === 'h2' ? '2.0' : '1.1'])
    assert.equal((await proxy.finished(2))[1]?.attempts, 3)
  })
}

test('a handshake that fails is told to all who wait for it', { skip: noOpenssl }, async (t) => {
  const server = await secureServer(t, ['h2'])
  const proxy = await TestProxy.start(`https://localhost:${server.port}`)
  t.after(() => proxy.close())
  const answers = await Promise.all([1, 2, 3].map(() => fetch(`http://127.0.0.1:${proxy.port}/`)))
  assert.deepEqual(
    answers.map((answer) => answer.status),
    [502, 502, 502],
  )
  const [one] = await proxy.finished(3)
  assert.equal(one?.error?.phase, 'tls')
  assert.ok(one!.phases.connect! > 0)
})
