/** By which share a trace was kept, told from proxy to proxy: the stage itself, and real proxies with a real aggregator. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, createServer, get, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { HeaderBlock } from '../../src/core/headers.ts'
import { newTraceId } from '../../src/core/ids.ts'
import { knownId } from '../../src/core/known-names.ts'
import { RequestHead } from '../../src/core/message.ts'
import { type Direction, Exchange } from '../../src/exchange/exchange.ts'
import type { Downstream } from '../../src/exchange/ports.ts'
import { traceContext } from '../../src/stages/trace-context.ts'
import { HeadSampler } from '../../src/telemetry/sampler.ts'
import { running, until } from '../aggregator/running.ts'
import { startInstance } from '../process/instance.ts'

test('whose decision it is says the share; what cannot be is taken out', () => {
  const tenth = new HeadSampler({ ratio: 0.1, parentBased: true })
  const all = new HeadSampler({ ratio: 1, parentBased: true })
  const own = new HeadSampler({ ratio: 0.5, parentBased: false })
  const high = `${'1'.repeat(18)}ff${'0'.repeat(12)}`
  const low = `${'1'.repeat(18)}01${'0'.repeat(12)}`
  // A root of ours.
  assert.equal(tenth.sample(undefined, high), true)
  assert.equal(tenth.stateOf(undefined, high, '', true), 'ot=th:e6666')
  assert.equal(tenth.stateOf(undefined, low, '', false), '')
  assert.equal(all.stateOf(undefined, high, '', true), '')
  // A caller's decision, whatever our ratio.
  assert.equal(tenth.sample(1, low), true)
  assert.equal(tenth.stateOf(1, low, '', true), '')
  assert.equal(tenth.stateOf(1, high, 'a=1,ot=th:c', true), 'a=1,ot=th:c')
  assert.equal(tenth.stateOf(1, low, 'a=1,ot=th:c', true), 'a=1')
  assert.equal(tenth.stateOf(1, low, `ot=th:c;rv:${'f'.repeat(14)}`, true), `ot=th:c;rv:${'f'.repeat(14)}`)
  // Ours, though there is a caller.
  assert.equal(own.sample(0, high), true)
  assert.equal(own.stateOf(0, high, 'a=1,ot=th:c', true), 'ot=th:8,a=1')
  assert.equal(own.sample(1, high, `ot=rv:${'0'.repeat(14)}`), false)
  assert.equal(own.stateOf(1, high, `ot=th:c;rv:${'0'.repeat(14)}`, false), `ot=rv:${'0'.repeat(14)}`)
  own.configure({ ratio: 0, parentBased: false })
  assert.equal(own.sample(1, high), false)
  assert.equal(own.ratio, 0)
  for (let i = 0; i < 1000; i++) {
    const traceId = newTraceId()
    if (tenth.sample(undefined, traceId)) assert.equal(own.stateOf(1, traceId, 'ot=th:e6666', false), '')
  }
})

function exchange(direction: Direction, traceparent?: string): Exchange {
  const request = new RequestHead()
  const headers = new HeaderBlock(8)
  if (traceparent !== undefined) headers.pushPair('traceparent', traceparent, knownId('traceparent'), false)
  Object.assign(request, { headers })
  const end = { address: '127.0.0.1', port: 1 }
  const info = { id: 1, direction, peer: end, local: end, originalDestination: undefined, scheme: 'http' as const }
  const more = { fd: -1, affinity: undefined, exchanges: 1, tcpReadUs: 0 }
  const x = new Exchange({ ...info, ...more }, request, {} as Downstream)
  x.requestId = newTraceId()
  return x
}

test('an app that passes on traceparent alone does not lose the share on its way through a sidecar', () => {
  const { sample, stateOf } = new HeadSampler({ ratio: 0.2, parentBased: true })
  const stage = traceContext({ sample, stateOf, b3: 'auto', maySendTo: undefined })
  for (let tries = 0; ; tries++) {
    const inbound = exchange('inbound')
    stage.onRequestHead!(inbound)
    assert.equal(inbound.request.headers.get('tracestate'), inbound.sampled ? 'ot=th:ccccd' : undefined)
    const call = exchange('outbound', inbound.request.headers.get('traceparent'))
    stage.onRequestHead!(call)
    assert.deepEqual([call.trace!.traceId, call.sampled], [inbound.trace!.traceId, inbound.sampled])
    assert.equal(call.request.headers.get('tracestate'), inbound.sampled ? 'ot=th:ccccd' : undefined)
    stage.onFinish!(inbound)
    const late = exchange('outbound', inbound.request.headers.get('traceparent'))
    stage.onRequestHead!(late)
    assert.equal(late.trace!.state, '')
    if (inbound.sampled && tries > 20) break
  }
})

async function listening(server: Server): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return (server.address() as AddressInfo).port
}

test('two proxies that keep a fifth, and an aggregator that keeps half of that: figures are of all requests', async (t) => {
  const aggregator = await running({ sampling: { share: 0.5, slowMs: 0, slowTimes: 0, waitMs: 300 } })
  const agent = new Agent({ keepAlive: true, maxSockets: 24 })
  const seen = new Set<string | undefined>()
  const backend = createServer((req, res) => {
    seen.add(req.headers.tracestate as string | undefined)
    res.writeHead(req.url === '/fail' ? 503 : 200).end()
  })
  const flags = ['--otlp-endpoint', `http://127.0.0.1:${aggregator.grpcPort}`, '--otlp-schedule-ms', '50']
  flags.push('--sample', '0.2', '--access-log', 'off', '--telemetry-governor-enabled', 'false')
  flags.push('--recorder-slow-ms', '60000')
  const backendUrl = `http://127.0.0.1:${await listening(backend)}`
  const back = await startInstance(backendUrl, [...flags, '--service-name', 'back'])
  const call = (port: number, path: string, headers: Record<string, string> = {}): Promise<number> =>
    new Promise((resolve, reject) => {
      get({ host: '127.0.0.1', port, path, agent, headers }, (response) => {
        response.resume().once('end', () => resolve(response.statusCode!))
      }).once('error', reject)
    })
  const app = createServer((req, res) => {
    const headers = Object.fromEntries(
      ['traceparent', 'tracestate'].flatMap((name) => (name in req.headers ? [[name, String(req.headers[name])]] : [])),
    )
    // Makes the best of a failure.
    void call(back.port, req.url!, headers).then(() => res.end())
  })
  const front = await startInstance(`http://127.0.0.1:${await listening(app)}`, [...flags, '--service-name', 'front'])
  t.after(async () => {
    agent.destroy()
    await Promise.all([front.stop('SIGKILL'), back.stop('SIGKILL')])
    for (const server of [app, backend]) server.close().closeAllConnections()
    await aggregator.end()
  })
  const [requests, failing] = [1000, 50]
  await Promise.all(Array.from({ length: requests }, (_, i) => call(front.port, i < failing ? '/fail' : '/ok')))
  assert.deepEqual(seen, new Set([undefined, 'ot=th:ccccd']))
  interface Service {
    readonly service: string
    readonly calls: number
    readonly errors: number
  }
  let services: readonly Service[] = []
  const of = (service: string): Service =>
    services.find((one) => one.service === service) ?? { service, calls: 0, errors: 0 }
  await until('all that failed is stored', async () => {
    services = (await aggregator.ask<{ services: Service[] }>('hopscope/services')).services
    return of('back').errors === failing && (await aggregator.ask<{ waiting: number }>('hopscope/status')).waiting === 0
  })
  services = (await aggregator.ask<{ services: Service[] }>('hopscope/services')).services
  assert.deepEqual([of('back').errors, of('front').errors], [failing, 0])
  for (const { service, calls } of [of('front'), of('back')]) {
    // Five standard deviations of a tenth.
    const bound = 5 * Math.sqrt(requests * 9)
    assert.ok(Math.abs(calls - requests) < bound, `${service}: ${calls} of ${requests}, ± ${Math.round(bound)}`)
  }
})
