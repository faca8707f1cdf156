import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createServer as createTlsServer } from 'node:tls'
import { Peer } from '../support/client.ts'
import { problem, TestProxy } from '../support/proxy.ts'
import { tempFolder } from '../support/temp-folder.ts'

const GET = 'GET / HTTP/1.1\r\nHost: here\r\n\r\n'

/** A self-signed certificate made on the spot, or undefined where there is no openssl. */
function certificate(): { key: Buffer; cert: Buffer } | undefined {
  const folder = tempFolder()
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const subject = ['-subj', '/CN=localhost', '-days', '1', '-keyout', key, '-out', cert]
  try {
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...subject], { stdio: 'ignore' })
  } catch {
    return undefined
  }
  return { key: readFileSync(key), cert: readFileSync(cert) }
}

async function ask(
  t: TestContext,
  url: string,
  flags = {},
): Promise<{ proxy: TestProxy; body: string; status: number }> {
  const proxy = await TestProxy.start(url, { flags })
  const client = await Peer.connect(proxy.port)
  t.after(async () => {
    client.socket.destroy()
    await proxy.close()
  })
  client.send(GET)
  const { body, status } = await client.message()
  return { proxy, body, status }
}

test('a certificate that nobody vouches for: 502 with the cause, nothing sent', async (t) => {
  const pair = certificate()
  if (pair === undefined) return t.skip('no openssl here')
  let received = ''
  const server = createTlsServer(pair, (socket) => socket.on('data', (bytes) => (received += bytes)))
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { body, status, proxy } = await ask(t, `https://localhost:${(server.address() as AddressInfo).port}`)
  assert.equal(status, 502)
  const { code, phase, errno, detail } = problem(body)
  assert.deepEqual([code, phase], ['tls_unknown_ca', 'tls'])
  assert.match(errno ?? '', /SELF_SIGNED/)
  assert.match(detail ?? '', /self-signed/)
  assert.equal(received, '')
  const [seen] = await proxy.finished(1)
  assert.ok(seen!.phases.tls! > 0 && seen!.phases.send === undefined)
})

test('a server that speaks no TLS: 502 with the cause', async (t) => {
  const server = createServer((socket) => socket.on('error', () => {}).on('data', () => socket.end('what?\r\n')))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { body, status } = await ask(t, `https://127.0.0.1:${(server.address() as AddressInfo).port}`)
  assert.equal(status, 502)
  assert.equal(problem(body).code, 'tls_not_spoken')
  assert.ok(problem(body).detail)
})

test('a handshake that is never answered: 504', async (t) => {
  const server = createServer((socket) => t.after(() => socket.destroy()))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { body, status, proxy } = await ask(t, url, { 'timeouts.tlsMs': '300' })
  assert.equal(status, 504)
  assert.deepEqual([problem(body).code, problem(body).phase], ['tls_timeout', 'tls'])
  assert.ok((await proxy.finished(1))[0]!.phases.tls! >= 290_000)
})

test('a slow handshake is in the tls phase', async (t) => {
  const pair = certificate()
  if (pair === undefined) return t.skip('no openssl here')
  const secure = createTlsServer(pair)
  secure.on('tlsClientError', () => {})
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    socket.on('error', () => {})
    setTimeout(() => secure.emit('connection', socket), 200)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { proxy } = await ask(t, `https://localhost:${(server.address() as AddressInfo).port}`)
  const { phases, durationUs } = (await proxy.finished(1))[0]!
  assert.ok(phases.tls! > 190_000 && phases.tls! < 400_000, JSON.stringify(phases))
  const others = durationUs - phases.tls!
  assert.ok(others >= 0 && others < 60_000, JSON.stringify(phases))
})
