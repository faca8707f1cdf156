/** The governor in a real proxy: telemetry that costs too much by its settings is held down, told of, and let go again. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, createServer, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { probabilityOf, readOt } from '../../src/core/sampling.ts'
import { startInstance } from '../process/instance.ts'
import { Collector } from '../telemetry/collector.ts'

const agent = new Agent({ keepAlive: true, maxSockets: 16 })

function request(port: number, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, agent }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0))
    }).on('error', reject)
  })
}

async function json(port: number, path: string): Promise<Record<string, unknown>> {
  return (await (await fetch(`http://127.0.0.1:${port}${path}`)).json()) as Record<string, unknown>
}

test('under load fewer healthy traces are kept, failed ones all are, and it recovers', async (t) => {
  const collector = await new Collector().start()
  t.after(() => collector.stop())
  let states = ''
  const origin = createServer((incoming, answer) => {
    states = String(incoming.headers.tracestate ?? '')
    answer.writeHead(incoming.url === '/bad' ? 500 : 200).end('ok')
  }).listen(0, '127.0.0.1')
  t.after(() => origin.close().closeAllConnections())
  await once(origin, 'listening')
  const { port } = origin.address() as AddressInfo
  const governor = [
    '--telemetry-governor-window-ms',
    '300',
    '--telemetry-governor-recover-ms',
    '600',
    '--telemetry-governor-lowest',
    '0.25',
  ]
  const proxy = await startInstance(`http://127.0.0.1:${port}`, [
    ...['--otlp-endpoint', collector.endpoint, '--otlp-schedule-ms', '50', '--access-log', 'off'],
    ...['--telemetry-governor-max-share', '0.0001', '--telemetry-governor-least-load', '0.05', ...governor],
  ])
  t.after(() => proxy.stop('SIGKILL'))
  assert.deepEqual((await json(proxy.adminPort, '/sampling')).governed, false)
  const until = performance.now() + 20_000
  let lowest = 1
  while (lowest > 0.25) {
    assert.ok(performance.now() < until, `still at ${lowest}`)
    await Promise.all(Array.from({ length: 200 }, () => request(proxy.port, '/good')))
    lowest = (await json(proxy.adminPort, '/sampling')).ratio as number
  }
  assert.equal(lowest, 0.25)
  assert.ok(proxy.lines.some((line) => line.includes('telemetry takes too much CPU')))
  const metrics = await (await fetch(`http://127.0.0.1:${proxy.metricsPort}/metrics`)).text()
  assert.match(metrics, /^hopscope_sampling_ratio 0\.25$/m)
  assert.match(metrics, /^hopscope_telemetry_cpu_seconds_total 0\.\d+/m)

  await sleep(200)
  collector.spans.length = 0
  const [good, bad] = [1500, 40]
  await Promise.all(Array.from({ length: good }, () => request(proxy.port, '/good')))
  await Promise.all(Array.from({ length: bad }, () => request(proxy.port, '/bad')))
  const deadline = performance.now() + 10_000
  const failed = (): typeof collector.spans =>
    collector.spans.filter((span) => span.attributes['http.response.status_code'] === 500)
  while (failed().length < bad && performance.now() < deadline) await sleep(20)
  assert.equal(failed().length, bad)
  for (const span of failed()) assert.equal(readOt(span.traceState).th, '0')
  const healthy = collector.spans.filter((span) => span.attributes['http.response.status_code'] === 200)
  assert.ok(healthy.length < good * 0.8, `${healthy.length} of ${good}`)
  // Whatever the governor made of the ratio meanwhile: they stand for all, but for five standard deviations at a quarter.
  const counted = healthy.reduce((sum, span) => sum + 1 / probabilityOf(readOt(span.traceState).th ?? '0'), 0)
  assert.ok(Math.abs(counted - good) < 5 * Math.sqrt(good * 3), `${counted} of ${good}`)
  assert.match(states, /^(|ot=th:[0-9a-f]+)$/)

  // Idle: nothing is to be saved any more.
  const recovered = performance.now() + 20_000
  while ((await json(proxy.adminPort, '/sampling')).governed) {
    assert.ok(performance.now() < recovered, 'not recovered')
    await sleep(100)
  }
  assert.ok(proxy.lines.some((line) => line.includes('kept as configured again')))
  agent.destroy()
})
