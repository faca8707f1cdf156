import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Incident } from '../../src/aggregator/diagnosis/incidents.ts'
import type { WatchState } from '../../src/aggregator/diagnosis/watch.ts'
import { Rendezvous, slotOfTrace } from '../../src/core/rendezvous.ts'
import { freePorts, get, replicasAt } from '../aggregator/fleet.ts'
import { requestOf, sendOn } from '../aggregator/otlp-messages.ts'
import { ORIGIN_MS, rawSpan } from '../aggregator/raw-spans.ts'
import { type RunningAggregator, running, until } from '../aggregator/running.ts'

const STEP_MS = 700

interface Hook {
  readonly url: string
  readonly posted: { readonly event: string; readonly incident: Incident }[]
}

async function hook(t: TestContext): Promise<Hook> {
  const posted: Hook['posted'] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (piece: Buffer) => {
      body += piece
    })
    request.on('end', () => {
      posted.push(JSON.parse(body))
      response.writeHead(204).end()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, posted }
}

/** Three replicas that tell one hook, in the order of their turns for faults. */
async function three(t: TestContext, webhook: string): Promise<RunningAggregator[]> {
  const ports = await freePorts(3)
  const replicas = await Promise.all(
    ports.map((_, own) =>
      running({ epochMs: 700, alerts: { webhook }, replicas: replicasAt(ports, own, { alertStepMs: STEP_MS }) }),
    ),
  )
  t.after(() => Promise.all(replicas.map((one) => one.end())))
  for (const { uiPort } of replicas) {
    await until('all know each other', async () => {
      const { missing } = (await get(uiPort, '/api/hopscope/status')).json
      return Array.isArray(missing) && missing.length === 0
    })
  }
  const names = ports.map((port) => `127.0.0.1:${port}`)
  const order = new Rendezvous(names).order(slotOfTrace('fault'.padEnd(32)))
  return order.map((name) => replicas[names.indexOf(name)]!)
}

/** A service of a few calls; `failed` of all of them. */
function calls(failed: boolean): object[] {
  const startMs = performance.timeOrigin + performance.now() - ORIGIN_MS - 20
  const attributes = { 'http.response.status_code': failed ? 500 : 200, 'url.path': '/x' }
  return Array.from({ length: 6 }, () => {
    const [trace, span] = [randomBytes(16).toString('hex'), randomBytes(8).toString('hex')]
    return rawSpan({ trace, span, startMs, ms: 5, failed, attributes })
  })
}

/** Load on all; then failures at some. What was told, when all turns are over. */
async function toldOf(t: TestContext, seenBy: (replicas: RunningAggregator[]) => RunningAggregator[]): Promise<Hook> {
  const told = await hook(t)
  const replicas = await three(t, told.url)
  const seeing = new Set(seenBy(replicas))
  let failing = false
  let stopped = false
  const load = (async () => {
    while (!stopped) {
      for (const one of replicas)
        await sendOn(one.grpcPort, requestOf(calls(failing && seeing.has(one)) as never, 'stock'))
      await sleep(50)
    }
  })()
  const own = (one: RunningAggregator): Promise<WatchState> => one.ask<WatchState>('hopscope/incidents')
  await until('what is usual is known', async () => (await own(replicas[0]!)).ready > 0, 9000)
  failing = true
  await until('an incident', async () => (await own(replicas[0]!)).incidents.length > 0, 9000)
  await until('a message', () => told.posted.length > 0, 9000)
  await sleep(STEP_MS * 2 + 300)
  stopped = true
  await load
  return told
}

test('a fault that all see is told by one; one that only the last sees is told too', async (t) => {
  const [all, last] = await Promise.all([
    toldOf(t, (replicas) => replicas),
    toldOf(t, (replicas) => replicas.slice(-1)),
  ])
  const opened = ({ posted }: Hook): string[] =>
    posted.filter(({ event }) => event === 'incident.opened').map(({ incident }) => incident.summary)
  assert.deepEqual(opened(all), ['stock: answers 5xx by itself'])
  assert.deepEqual(opened(last), ['stock: answers 5xx by itself'])
})
