/** A rewritten probe says of the app what the kubelet's own would have said. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server as HttpServer } from 'node:http'
import { createServer as createHttp2 } from 'node:http2'
import { type AddressInfo, connect, createServer as createTcp, type Server } from 'node:net'
import { after, before, test } from 'node:test'
import type { AppProbe } from '../../src/admin/app-probe.ts'
import type { ControlServer } from '../../src/admin/http-server.ts'
import { startKubeletServer } from '../../src/admin/kubelet-server.ts'

let app: HttpServer
let grpc: Server
let server: ControlServer
let ready = true
let hits = 0
const seen: string[] = []

const listening = (one: Server): Promise<number> =>
  new Promise((resolve) => one.listen(0, '127.0.0.1', () => resolve((one.address() as AddressInfo).port)))

before(async () => {
  app = createServer((request, response) => {
    hits++
    seen.push(`${request.headers.host} ${request.headers['user-agent']} ${request.headers['x-probe'] ?? ''}`)
    if (request.url === '/hangs') return
    if (request.url === '/large') return void response.end('x'.repeat(1_000_000))
    if (request.url === '/slow') return void setTimeout(() => response.end(), 200)
    response.writeHead(Number(request.url!.slice(1)), { location: '/elsewhere' }).end('said the app')
  })
  grpc = createHttp2((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const known = Buffer.concat(chunks).includes('shop')
      const serving = Buffer.from([0, 0, 0, 0, 2, 8, known ? 1 : 2])
      response.writeHead(200, { 'content-type': 'application/grpc' })
      response.addTrailers({ 'grpc-status': '0' })
      response.end(serving)
    })
  })
  const closed = createTcp()
  const [port, grpcPort, closedPort] = [await listening(app), await listening(grpc), await listening(closed)]
  await new Promise((resolve) => closed.close(resolve))
  const http = (path: string, more: object = {}): AppProbe => ({
    type: 'http',
    port,
    timeoutMs: 500,
    path,
    scheme: 'HTTP',
    ...more,
  })
  server = await startKubeletServer({
    host: '127.0.0.1',
    port: 0,
    podIp: '127.0.0.1',
    readiness: () => (ready ? { ready } : { ready, reason: 'draining' }),
    probes: {
      'app/liveness': http('/200', { headers: [{ name: 'X-Probe', value: 'yes' }] }),
      'app/startup': http('/302'),
      'app/readiness': http('/503'),
      'hangs/liveness': http('/hangs'),
      'large/liveness': http('/large'),
      'slow/liveness': http('/slow'),
      'tcp/liveness': { type: 'tcp', port, timeoutMs: 500 },
      'tcp/readiness': { type: 'tcp', port: closedPort, timeoutMs: 500 },
      'grpc/liveness': { type: 'grpc', port: grpcPort, timeoutMs: 500, service: 'shop' },
      'grpc/readiness': { type: 'grpc', port: grpcPort, timeoutMs: 500, service: '' },
      'grpc/startup': { type: 'grpc', port: closedPort, timeoutMs: 500, service: '' },
    },
  })
})
after(async () => {
  await server.close()
  app.closeAllConnections()
  app.close()
  grpc.close()
})

const ask = (path: string, method = 'GET'): Promise<Response> =>
  fetch(`http://127.0.0.1:${server.port}${path}`, { method, redirect: 'manual' })

for (const [name, status, detail] of [
  ['app/liveness', 200, /HTTP 200: said the app/],
  ['app/startup', 200, /HTTP 302/],
  ['app/readiness', 503, /HTTP 503/],
  ['hangs/liveness', 503, /no answer in 500 ms/],
  ['large/liveness', 200, /HTTP 200/],
  ['tcp/liveness', 200, /connected/],
  ['tcp/readiness', 503, /ECONNREFUSED/],
  ['grpc/liveness', 200, /serving status 1/],
  ['grpc/readiness', 503, /serving status 2/],
  ['grpc/startup', 503, /ECONNREFUSED/],
] as const) {
  test(`${name}: ${status}, ${detail.source}`, async () => {
    const response = await ask(`/app-health/${name}`)
    assert.equal(response.status, status)
    assert.match(((await response.json()) as { detail: string }).detail, detail)
  })
}

test('headers of the probe go to the app, and those that the kubelet adds', () => {
  assert.ok(
    seen.some((line) => /^127\.0\.0\.1:\d+ kube-probe\/\S+ yes$/.test(line)),
    seen.join('\n'),
  )
})

test('whoever asks more often than the app answers reaches it once', async () => {
  const before = hits
  const all = await Promise.all(Array.from({ length: 20 }, () => ask('/app-health/slow/liveness')))
  assert.deepEqual([...new Set(all.map(({ status }) => status))], [200])
  assert.ok(hits - before < 5, `${hits - before} probes reached the app`)
})

test('only what was configured is probed, and nothing changes by asking', async () => {
  for (const path of ['/app-health/other/liveness', '/app-health/', '/app-health/app/liveness/', '/drain', '/quit']) {
    assert.equal((await ask(path)).status, 404, path)
  }
  assert.equal((await ask('/ready', 'POST')).status, 405)
})

test('a hundred connections that say nothing do not keep the kubelet out', async () => {
  const idle = Array.from({ length: 100 }, () => connect(server.port, '127.0.0.1').on('error', () => {}))
  await Promise.all(idle.map((socket) => once(socket, 'connect')))
  assert.equal((await ask('/app-health/tcp/liveness')).status, 200)
  for (const socket of idle) socket.destroy()
})

test('readiness is the proxy’s own', async () => {
  assert.deepEqual([(await ask('/live')).status, (await ask('/ready')).status], [200, 200])
  ready = false
  assert.deepEqual([(await ask('/live')).status, (await ask('/ready')).status], [200, 503])
})
