/** What the proxy says of where it runs, seen by a collector. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { hostname } from 'node:os'
import { test } from 'node:test'
import { createProxy } from '../../src/app/library.ts'
import { Collector, until } from './collector.ts'

async function resourceSent(attributes: string): Promise<Record<string, unknown>> {
  const collector = await new Collector().start()
  const server = createServer((_req, res) => res.end('ok')).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  const otlp = { 'otlp.endpoint': collector.endpoint, 'otlp.scheduleMs': 20 }
  const settings = { ...otlp, 'service.name': 'shop', 'resource.attributes': attributes, metrics: 'off', admin: 'off' }
  const proxy = await createProxy({ upstream: `http://127.0.0.1:${port}`, settings })
  try {
    await (await fetch(proxy.url)).text()
    await until(
      () => collector.spans.length === 1,
      () => `${collector.spans.length} spans`,
    )
    return collector.resource
  } finally {
    await proxy.close(0)
    server.close()
    collector.stop()
  }
}

test('host.name is the name of the machine, and host.id is not guessed', async () => {
  const resource = await resourceSent('deployment.environment.name=test')
  assert.equal(resource['host.name'], hostname())
  assert.equal(resource['service.instance.id'], `${hostname()}.${process.pid}`)
  assert.equal(resource['service.name'], 'shop')
  assert.equal(resource['deployment.environment.name'], 'test')
  assert.equal('host.id' in resource, false)
})

test('a host.name that was set goes before', async () => {
  const resource = await resourceSent('host.name=node-9,host.id=i-77')
  assert.deepEqual([resource['host.name'], resource['host.id']], ['node-9', 'i-77'])
})
