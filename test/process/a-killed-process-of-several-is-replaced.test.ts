import assert from 'node:assert/strict'
import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { createServer, get, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { rootCertificates } from 'node:tls'
import { tempFile } from '../config/support.ts'
import { eventually } from '../support/proxy.ts'
import { answers, childrenOf, startInstance } from './instance.ts'

const skip = process.platform !== 'linux'

test('--concurrency 2: metrics add up, and a process that is killed is replaced', { skip }, async (t) => {
  const origin = createServer((_request, response) => response.end('ok')).listen(0, '127.0.0.1')
  await once(origin, 'listening')
  const upstream = `http://127.0.0.1:${(origin.address() as AddressInfo).port}`
  const instance = await startInstance(upstream, ['--concurrency', '2'])
  t.after(async () => {
    await instance.stop('SIGTERM')
    origin.close()
    origin.closeAllConnections()
  })
  let calls = 0
  /** On a connection of its own, so that every call may meet another process. */
  const call = async (): Promise<number> => {
    calls++
    const request = get(`http://127.0.0.1:${instance.port}/`, { agent: false })
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    response.resume()
    return response.statusCode ?? 0
  }
  for (let i = 0; i < 10; i++) assert.equal(await call(), 200)
  const metrics = await (await fetch(`http://127.0.0.1:${instance.metricsPort}/metrics`)).text()
  assert.match(metrics, /http_server_request_duration_seconds_count\{.*\} 10\n/)
  const counted = async (): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${instance.metricsPort}/metrics`)).text()
    return Number(/http_server_request_duration_seconds_count\{.*\} (\d+)/.exec(text)?.[1])
  }
  const [silent] = childrenOf(instance.child)
  process.kill(silent!, 'SIGSTOP')
  assert.equal(await counted(), 10, 'a silent process counts with what it said last')
  process.kill(silent!, 'SIGCONT')
  const exchanges = await (await fetch(`http://127.0.0.1:${instance.adminPort}/exchanges`)).json()
  assert.equal((exchanges as unknown[]).length, 10)

  const before = childrenOf(instance.child)
  assert.equal(before.length, 2)
  process.kill(before[0]!, 'SIGKILL')
  const deadline = Date.now() + 8000
  const replaced = (): boolean => {
    const now = childrenOf(instance.child)
    return now.length === 2 && !now.includes(before[0]!)
  }
  while (!replaced()) {
    assert.ok(Date.now() < deadline, 'no replacement came')
    assert.equal(await call(), 200)
    await sleep(50)
  }
  assert.equal(await call(), 200)
  assert.equal(await counted(), calls, 'what the killed one had counted stays')
})

test('a replacement that cannot start is replaced itself, until one can', { skip }, async (t) => {
  const file = tempFile(t, rootCertificates[0]!, 'authority.pem')
  const otlp = ['--otlp-endpoint', 'https://127.0.0.1:1', '--otlp-certificate', file]
  const instance = await startInstance('http://127.0.0.1:1', ['--concurrency', '2', ...otlp])
  t.after(() => instance.stop('SIGKILL'))
  const [killed, other] = childrenOf(instance.child)
  rmSync(file)
  process.kill(killed!, 'SIGKILL')
  const failed = (): boolean => instance.lines.some((line) => line.includes('no replacement started'))
  await eventually('replacement that fails', failed)
  writeFileSync(file, rootCertificates[0]!)
  await eventually('replacement', async () => (await answers(instance)).length === 2)
  const now = childrenOf(instance.child)
  assert.ok(now.length === 2 && !now.includes(killed!) && now.includes(other!), `${now}`)
})

test('a process that dies while it is asked something is replaced', { skip }, async (t) => {
  const instance = await startInstance('http://127.0.0.1:1', ['--concurrency', '2'])
  t.after(() => instance.stop('SIGKILL'))
  const metrics = `http://127.0.0.1:${instance.metricsPort}/metrics`
  // On a connection that is there already: the question goes out before the death is heard of.
  await (await fetch(metrics)).text()
  const [killed] = childrenOf(instance.child)
  instance.child.kill('SIGSTOP')
  const scrape = fetch(metrics)
  await sleep(100)
  process.kill(killed!, 'SIGKILL')
  await sleep(100)
  instance.child.kill('SIGCONT')
  assert.equal((await scrape).status, 200)
  await eventually('replacement', async () => !childrenOf(instance.child).includes(killed!))
  await eventually('answer of two', async () => (await answers(instance)).length === 2, 20_000)
})

test('a replacement logs at the level that the admin server set', { skip }, async (t) => {
  const instance = await startInstance('http://127.0.0.1:1', ['--concurrency', '2'])
  t.after(() => instance.stop('SIGKILL'))
  await fetch(`http://127.0.0.1:${instance.adminPort}/log-level`, { method: 'POST', body: 'error' })
  const [killed] = childrenOf(instance.child)
  process.kill(killed!, 'SIGKILL')
  await eventually('replacement', async () => {
    return !childrenOf(instance.child).includes(killed!) && (await answers(instance)).length === 2
  })
  await instance.stop('SIGTERM')
  assert.deepEqual(
    instance.lines.filter((line) => line.includes('"level":"info"') && !line.includes('"listening"')),
    [],
  )
})
