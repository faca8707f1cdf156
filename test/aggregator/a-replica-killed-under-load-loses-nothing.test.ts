import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { newSpanId, newTraceId } from '../../src/core/ids.ts'
import { type Instance, startInstance } from '../process/instance.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { freePorts, get } from './fleet.ts'
import { until } from './running.ts'
import { type AggregatorProcess, aggregatorProcess } from './sending-process.ts'

const SENDERS = 6
/** Six processes start and work here, on what may be one busy core. */
const PATIENCE_MS = 30_000
const env = { PATH: process.env.PATH }

/** Requests with a trace each, on kept connections, until it is ended. */
class Load {
  readonly traces: string[] = []
  readonly #agent = new Agent({ keepAlive: true, maxSockets: SENDERS })
  readonly #done: Promise<unknown>
  #ended = false

  constructor(port: number) {
    this.#done = Promise.all(Array.from({ length: SENDERS }, () => this.#send(port)))
  }

  async #send(port: number): Promise<void> {
    while (!this.#ended) {
      const trace = newTraceId()
      const status = await new Promise<number>((resolve, reject) => {
        const headers = { traceparent: `00-${trace}-${newSpanId()}-01` }
        const asked = request({ host: '127.0.0.1', port, agent: this.#agent, headers }, (res) => {
          res.resume().once('end', () => resolve(res.statusCode!))
        })
        asked.once('error', reject).end()
      })
      assert.equal(status, 200)
      this.traces.push(trace)
      // A load of some hundreds a second, which any machine bears.
      await new Promise((resolve) => setTimeout(resolve, 8))
    }
  }

  async end(): Promise<void> {
    this.#ended = true
    await this.#done
    this.#agent.destroy()
  }
}

/** Ids of the traces that a live tail shows, as they come. */
function readTail(port: number): { readonly seen: Set<string>; close(): void } {
  const seen = new Set<string>()
  let rest = ''
  const asked = request({ host: '127.0.0.1', port, path: '/api/hopscope/live', agent: false }, (res) => {
    res.setEncoding('utf8').on('data', (text: string) => {
      const blocks = (rest + text).split('\n\n')
      rest = blocks.pop()!
      for (const [, id] of blocks.join('\n').matchAll(/"traceId":"([0-9a-f]{32})"/g)) seen.add(id!)
    })
    res.on('error', () => {})
  })
  asked.on('error', () => {}).end()
  return { seen, close: () => asked.destroy() }
}

interface Line {
  readonly traceId: string
  readonly spanId: string
}

test('of three replicas one is killed under load: every span is found by any of them, traces are whole', async (t) => {
  const folder = tempFolder()
  const ports = await freePorts(6)
  const [grpc, among] = [ports.slice(0, 3), ports.slice(3).map((port) => `127.0.0.1:${port}`)]
  const start = async (i: number): Promise<AggregatorProcess> => {
    const one = await aggregatorProcess([
      ...['--data-dir', join(folder, String(i)), '--otlp-grpc', `127.0.0.1:${grpc[i]}`],
      ...['--replicas', among.join(), '--replica-listen', among[i]!, '--aggregator-replica-token', 'among-us'],
      ...['--aggregator-wal-sync', 'never', '--aggregator-seal-ms', '200'],
    ])
    t.after(() => one.kill('SIGKILL'))
    return one
  }
  // Where one does not start, the others are still to be ended.
  const starts = [0, 1, 2].map(start)
  await Promise.allSettled(starts)
  const replicas = await Promise.all(starts)
  const missing = async (i: number): Promise<unknown> =>
    (await get(replicas[i]!.uiPort, '/api/hopscope/status')).json.missing
  for (const i of [0, 1, 2]) await until('all know each other', async () => ((await missing(i)) as []).length === 0)

  const origin = createServer((_, res) => res.end('ok')).listen(0, '127.0.0.1')
  await once(origin, 'listening')
  t.after(() => origin.close())
  const endpoints = grpc.map((port) => `http://127.0.0.1:${port}`).join()
  const flags = ['--otlp-endpoints', endpoints, '--otlp-schedule-ms', '60', '--access-log', 'off']
  flags.push('--telemetry-governor-enabled', 'false')
  const proxy = async (upstreamPort: number): Promise<Instance> => {
    const one = await startInstance(`http://127.0.0.1:${upstreamPort}`, flags, undefined, env)
    t.after(() => one.stop('SIGKILL'))
    return one
  }
  const inner = await proxy((origin.address() as AddressInfo).port)
  const outer = await proxy(inner.port)

  const load = new Load(outer.port)
  t.after(() => load.end().catch(() => {}))
  const tail = readTail(replicas[0]!.uiPort)
  t.after(() => tail.close())
  await until('the tail shows traces', () => tail.seen.size > 20, PATIENCE_MS)
  await replicas[2]!.kill('SIGKILL')
  const killedAt = load.traces.length
  await until('the load went on', () => load.traces.length > killedAt + 400, PATIENCE_MS)
  assert.deepEqual(await missing(0), [among[2]])
  await until(
    'the tail goes on',
    () => load.traces.slice(killedAt + 100).some((trace) => tail.seen.has(trace)),
    PATIENCE_MS,
  )
  replicas[2] = await start(2)
  await until(
    'it has traces of its own again',
    async () => {
      const metrics = await (await fetch(`http://127.0.0.1:${outer.metricsPort}/metrics`)).text()
      return [...metrics.matchAll(/^hopscope_exporter_receiver_up\{.*\} (\d)$/gm)].every(([, up]) => up === '1')
    },
    PATIENCE_MS,
  )
  const backAt = load.traces.length
  await until('the load went on', () => load.traces.length > backAt + 100, PATIENCE_MS)
  await load.end()
  const metrics = await (await fetch(`http://127.0.0.1:${outer.metricsPort}/metrics`)).text()
  const moved = [...metrics.matchAll(/^hopscope_exporter_receiver_moved_total\{.*\} (\d+)$/gm)]
  // They deliver what they have before they go.
  assert.deepEqual([await outer.stop(), await inner.stop()], [0, 0])
  assert.ok(moved.some(([, count]) => Number(count) > 0))

  for (const i of [0, 1, 2]) {
    await until('the fleet is whole', async () => ((await missing(i)) as []).length === 0)
    const { json } = await get(replicas[i]!.uiPort, '/api/hopscope/spans?limit=100000')
    const spans = new Map<string, Set<string>>()
    for (const { traceId, spanId } of json.spans as Line[]) {
      spans.set(traceId, (spans.get(traceId) ?? new Set()).add(spanId))
    }
    const lacking = load.traces.filter((trace) => spans.get(trace)?.size !== 2)
    assert.deepEqual([spans.size, lacking], [load.traces.length, []])
  }
  // Those around the kill may be on two of them.
  for (const [i, trace] of load.traces.slice(killedAt - 15, killedAt + 15).entries()) {
    const { json } = await get(replicas[i % 3]!.uiPort, `/api/hopscope/trace/${trace}`)
    assert.deepEqual([json.spans, json.services], [2, ['unknown_service:hopscope']])
  }
})
