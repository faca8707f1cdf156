import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Authority, noOpenssl } from '../support/certificates.ts'
import { fleet, freePorts, get, replicasAt } from './fleet.ts'
import { requestOf, send } from './otlp-messages.ts'
import { rawSpan } from './raw-spans.ts'
import { type RunningAggregator, running, until } from './running.ts'
import { aggregatorProcess } from './sending-process.ts'

const put = (port: number, trace: string): Promise<Buffer> =>
  send(port, requestOf([rawSpan({ trace, span: '1', startMs: 100 })]))

const traceIds = (json: Record<string, unknown>): string[] =>
  (json.traces as { traceId: string }[]).map(({ traceId }) => traceId.replace(/^0+/, '')).sort()

test('answers without a replica say so, and what is not found may be with it', async () => {
  const replicas = await fleet(2)
  for (const [i, { grpcPort }] of replicas.entries()) await put(grpcPort, `a${i}`)
  const [first, gone] = replicas as [RunningAggregator, RunningAggregator]
  const name = `127.0.0.1:${gone.aggregator.addresses.replicas!.port}`
  await gone.end()

  const search = await get(first.uiPort, '/api/hopscope/search')
  assert.equal(search.status, 200)
  assert.deepEqual(search.json.missing, [name])
  assert.equal(search.headers['hopscope-missing'], name)
  assert.deepEqual(traceIds(search.json), ['a0'])
  const there = await get(first.uiPort, '/api/hopscope/trace/a0')
  assert.deepEqual([there.status, there.json.spans], [200, 1])
  const lost = await get(first.uiPort, '/api/hopscope/trace/a1')
  assert.deepEqual([lost.status, lost.json.missing], [503, [name]])
  // Jaeger's answers name it beside the body.
  const jaeger = await get(first.uiPort, '/api/services')
  assert.deepEqual([jaeger.status, jaeger.headers['hopscope-missing']], [200, name])
  await first.end()
})

test('one that takes connections and says nothing costs no more than the timeout', async () => {
  const sockets = new Set<Socket>()
  const mute = createServer((socket) => void sockets.add(socket.on('error', () => {})))
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve))
  const { port } = mute.address() as { port: number }
  const ports = [...(await freePorts(2)), port]
  const at = (own: number): Promise<RunningAggregator> =>
    running({ replicas: replicasAt(ports, own, { timeoutMs: 300 }) })
  const [one, two] = await Promise.all([at(0), at(1)])
  await put(one!.grpcPort, 'b1')
  await until('they know each other', async () => {
    const { json } = await get(two!.uiPort, '/api/hopscope/search')
    return (json.missing as unknown[]).length === 1 && traceIds(json).length === 1
  })
  const began = performance.now()
  const { json } = await get(two!.uiPort, '/api/hopscope/search')
  assert.deepEqual(json.missing, [`127.0.0.1:${port}`])
  assert.ok(performance.now() - began < 1000)
  await Promise.all([one!.end(), two!.end()])
  for (const socket of sockets) socket.destroy()
  mute.close()
})

test('one that stops in its tracks costs a bounded wait, and is asked again when it goes on', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hopscope-test-'))
  const ports = await freePorts(2)
  const among = ports.map((port) => `127.0.0.1:${port}`)
  const one = await running({ replicas: replicasAt(ports, 0, { timeoutMs: 1500 }) })
  const two = await aggregatorProcess([
    ...['--data-dir', folder, '--replicas', among.join(), '--replica-listen', among[1]!],
    ...['--aggregator-replica-token', 'among-us'],
  ])
  const missing = async (): Promise<unknown> => (await get(one.uiPort, '/api/hopscope/search')).json.missing
  await until('they know each other', async () => ((await missing()) as []).length === 0)
  two.child.kill('SIGSTOP')
  const began = performance.now()
  assert.deepEqual(await missing(), [among[1]])
  assert.ok(performance.now() - began < 3000)
  two.child.kill('SIGCONT')
  await until('it is back', async () => ((await missing()) as []).length === 0)
  await Promise.all([one.end(), two.kill('SIGKILL')])
  rmSync(folder, { recursive: true, force: true })
})

test('another token is not let in, on either side', async () => {
  const ports = await freePorts(2)
  const one = await running({ replicas: replicasAt(ports, 0) })
  const two = await running({ replicas: replicasAt(ports, 1, { token: 'another' }) })
  await put(one.grpcPort, 'c1')
  for (const { uiPort } of [one, two]) {
    const { json } = await get(uiPort, '/api/hopscope/search')
    assert.equal((json.missing as unknown[]).length, 1)
  }
  const bare = await fetch(`http://127.0.0.1:${ports[0]}/api/hopscope/search`)
  assert.equal(bare.status, 401)
  await Promise.all([one.end(), two.end()])
})

test('without a token a name that resolves to the machine is no way in', async () => {
  const ports = await freePorts(1)
  const one = await running({ replicas: replicasAt(ports, 0, { token: undefined }) })
  const status = (host: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const options = {
        host: '127.0.0.1',
        port: ports[0],
        path: '/api/hopscope/status',
        headers: { host },
        agent: false,
      }
      const asked = request(options, (res) => resolve(res.resume().statusCode!))
      asked.once('error', reject).end()
    })
  assert.equal(await status(`127.0.0.1:${ports[0]}`), 200)
  assert.equal(await status('rebound.example'), 403)
  await one.end()
})

test('by TLS, each shows a certificate of the authority', { skip: noOpenssl }, async () => {
  const authority = new Authority()
  const pem = (file: string): string => readFileSync(file, 'utf8')
  const server = authority.issue('server')
  const ca = pem(authority.cert)
  const tls = { cert: pem(server.cert), key: pem(server.key), clientCa: ca }
  const ports = await freePorts(2)
  const hosts = ports.map((port) => ({ host: 'localhost', port }))
  const [one, two] = await Promise.all(
    [0, 1].map((own) => running({ tls, replicas: replicasAt(ports, own, { authorities: ca, hosts }) })),
  )
  await until('they know each other', async () => {
    const { json } = await get(one!.uiPort, '/api/hopscope/status')
    return (json.missing as unknown[]).length === 0 && (json.replicas as unknown[]).length === 2
  })
  const without = await fetch(`https://localhost:${ports[0]}/replica/1/hello`).catch((error: Error) => error)
  assert.ok(without instanceof Error)
  await Promise.all([one!.end(), two!.end()])
})
