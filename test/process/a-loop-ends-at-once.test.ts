import assert from 'node:assert/strict'
import { request } from 'node:http'
import { test } from 'node:test'
import { freePort } from '../support/free-port.ts'
import { startInstance } from './instance.ts'

interface Answer {
  readonly status: number
  readonly code: string
}

async function call(port: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, host: '127.0.0.1', agent: false, timeout: 5000 }, (response) => {
      let text = ''
      response.on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, code: JSON.parse(text).code }))
    })
    sent.on('timeout', () => sent.destroy(new Error('timeout')))
    sent.on('error', reject).end()
  })
}

/** Exchanges that a process had, by its own count. */
async function exchanges(metricsPort: number): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()
  const counts = [...text.matchAll(/^http_(?:server|client)_request_duration_seconds_count\{.*\} (\d+)$/gm)]
  return counts.reduce((sum, [, count]) => sum + Number(count), 0)
}

test('an upstream that is the proxy itself: 508, and no request goes around', async (t) => {
  const port = await freePort()
  const adminPort = await freePort()
  const proxy = await startInstance(`http://127.0.0.1:${port}`, ['--access-log', 'off'], { port, adminPort })
  t.after(() => proxy.stop('SIGKILL'))
  const calls = 20
  for (let i = 0; i < calls; i++) assert.deepEqual(await call(port), { status: 508, code: 'loop_detected' })
  assert.equal(await exchanges(proxy.metricsPort), calls)
})

test('two proxies that are each other’s upstream: 508, and the request goes around once', async (t) => {
  const [there, adminThere, here, adminHere] = [await freePort(), await freePort(), await freePort(), await freePort()]
  const off = ['--access-log', 'off']
  const first = await startInstance(`http://127.0.0.1:${there}`, off, { port: here, adminPort: adminHere })
  const second = await startInstance(`http://127.0.0.1:${here}`, off, { port: there, adminPort: adminThere })
  t.after(() => Promise.all([first.stop('SIGKILL'), second.stop('SIGKILL')]))
  assert.deepEqual(await call(here), { status: 508, code: 'loop_detected' })
  assert.deepEqual([await exchanges(first.metricsPort), await exchanges(second.metricsPort)], [2, 1])
})
