/** The Collector's configs of `examples/`, each under a real OpenTelemetry Collector. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { parse } from 'yaml'
import { createProxy } from '../../src/app/library.ts'
import { requestOf, send } from '../aggregator/otlp-messages.ts'
import { collectorProgram } from '../aggregator/programs.ts'
import { rawSpan } from '../aggregator/raw-spans.ts'
import { running, until } from '../aggregator/running.ts'
import { freePort } from '../support/free-port.ts'

const { command, missing } = collectorProgram()

async function isOpen(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  const opened = await once(socket, 'connect').then(
    () => true,
    () => false,
  )
  socket.destroy()
  return opened
}

/** Runs the Collector with an example's config; resolves when it takes spans at `port`. */
async function collectorAt(t: TestContext, example: string, port: number, env: Record<string, string>): Promise<void> {
  const args = ['--config', `examples/${example}/collector.yaml`]
  // Its own metrics would want a port of the machine.
  const own = {
    PATH: process.env.PATH ?? '',
    OWN_METRICS: 'none',
    BATCH_TIMEOUT: '50ms',
    OTLP_GRPC: `127.0.0.1:${port}`,
  }
  const child = spawn(command, args, { env: { ...own, ...env }, stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  child.stderr.setEncoding('utf8').on('data', (piece: string) => {
    log = (log + piece).slice(-8000)
  })
  t.after(() => child.kill('SIGKILL'))
  await until(`the Collector takes spans`, async () => {
    assert.equal(child.exitCode, null, log)
    return isOpen(port)
  })
}

interface Seen {
  readonly hops: readonly {
    readonly service: string
    readonly name: string
    readonly phases: readonly { readonly phase: string }[]
  }[]
}

test('spans of any sender reach the aggregator through a Collector', { skip: missing }, async (t) => {
  const it = await running()
  t.after(() => it.end())
  const port = await freePort()
  const http = `127.0.0.1:${await freePort()}`
  const aggregator = `127.0.0.1:${it.grpcPort}`
  await collectorAt(t, 'collector-to-aggregator', port, { AGGREGATOR: aggregator, OTLP_HTTP: http })
  await send(port, requestOf([rawSpan({ trace: 'c1', span: '1', name: 'GET /x', ms: 70 })], 'shop'))
  await send(port, requestOf([rawSpan({ trace: 'c1', span: '2', parent: '1', kind: 'client' })], 'shop'))
  const id = 'c1'.padStart(32, '0')
  await until('both are here', async () => {
    const { traces } = await it.ask<{ traces: readonly { readonly spans: number }[] }>(`hopscope/search?traceId=${id}`)
    return traces[0]?.spans === 2
  })
  const { hops } = await it.ask<Seen>(`hopscope/trace/${id}`)
  assert.deepEqual([hops[0]!.service, hops[0]!.name], ['shop', 'GET /x'])
})

test('spans of our proxy pass a Collector whole, phases and all', { skip: missing }, async (t) => {
  const backend = await running()
  t.after(() => backend.end())
  const port = await freePort()
  await collectorAt(t, 'proxy-to-collector', port, { BACKEND: `http://127.0.0.1:${backend.httpPort}` })
  const server = createHttpServer((_req, res) => res.end('ok')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const otlp = { 'otlp.endpoint': `http://127.0.0.1:${port}`, 'otlp.scheduleMs': 50 }
  const settings = { ...otlp, 'service.name': 'shop', metrics: 'off', admin: 'off' }
  const proxy = await createProxy({ upstream: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, settings })
  t.after(() => proxy.close(0))
  await (await fetch(proxy.url, { headers: { 'x-request-id': 'by-a-collector' } })).text()
  let id = ''
  await until('its span is here', async () => {
    const path = 'hopscope/search?requestId=by-a-collector'
    const { traces } = await backend.ask<{ traces: readonly { readonly traceId: string }[] }>(path)
    id = traces[0]?.traceId ?? ''
    return id !== ''
  })
  const { hops } = await backend.ask<Seen>(`hopscope/trace/${id}`)
  assert.equal(hops[0]!.service, 'shop')
  assert.ok(hops[0]!.phases.some(({ phase }) => phase === 'wait'))
})

test("the proxy's config beside the Collector's is one that the proxy takes", () => {
  const args = ['build/cli/main.js', 'check-config', '--config', 'examples/proxy-to-collector/hopscope.yaml']
  const checked = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 20_000 })
  assert.equal(checked.status, 0, checked.stderr + checked.stdout)
})

test('parts that the configs name are those that the builder brings', () => {
  const built = parse(readFileSync('examples/builder.yaml', 'utf8')) as Record<string, readonly { gomod: string }[]>
  for (const example of ['collector-to-aggregator', 'proxy-to-collector']) {
    const config = parse(readFileSync(`examples/${example}/collector.yaml`, 'utf8')) as Record<string, object>
    for (const [kind, suffix] of [
      ['receivers', 'receiver'],
      ['processors', 'processor'],
      ['exporters', 'exporter'],
    ] as const) {
      for (const name of Object.keys(config[kind]!)) {
        const module = `/${name.replaceAll('_', '')}${suffix} `
        assert.ok(
          built[kind]!.some(({ gomod }) => gomod.includes(module)),
          `${example}: ${name}`,
        )
      }
    }
  }
})
