import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createSecureServer, type Http2SecureServer } from 'node:http2'
import { createServer as createHttps, type Server as HttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { Authority, noOpenssl } from '../support/certificates.ts'
import { TestProxy } from '../support/proxy.ts'

const authority = noOpenssl === false ? new Authority() : undefined

async function listening<S extends HttpsServer | Http2SecureServer>(t: TestContext, server: S): Promise<S> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return server
}

function pair(): { cert: Buffer; key: Buffer } {
  const { cert, key } = authority!.issue('localhost')
  return { cert: readFileSync(cert), key: readFileSync(key) }
}

/** A server that says which version a request came in; `alpn` are the protocols that it takes. */
async function secureServer(
  t: TestContext,
  alpn: readonly string[],
): Promise<{ port: number; sessions: () => number }> {
  let sessions = 0
  if (alpn.includes('h2')) {
    const server = createSecureServer({ ...pair(), allowHTTP1: alpn.includes('http/1.1') }, (request, response) => {
      response.end(request.httpVersion)
    })
    server.on('secureConnection', () => {
      sessions++
    })
    await listening(t, server)
    return { port: (server.address() as AddressInfo).port, sessions: () => sessions }
  }
  const server = createHttps(
    { ...pair(), ...(alpn.length === 0 ? { ALPNProtocols: [] } : {}) },
    (request, response) => {
      response.end(request.httpVersion)
    },
  )
  server.on('secureConnection', () => {
    sessions++
  })
  await listening(t, server)
  return { port: (server.address() as AddressInfo).port, sessions: () => sessions }
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
