/** A collector behind TLS, and behind mTLS: spans arrive where both sides vouch, and nowhere else; the proxy serves on. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { get } from 'node:http'
import { after, before, type TestContext, test } from 'node:test'
import { Authority, noOpenssl, type Pair } from '../support/certificates.ts'
import { Origin, ok } from '../support/origin.ts'
import { eventually } from '../support/proxy.ts'
import { Collector } from '../telemetry/collector.ts'
import { type Instance, startInstance } from './instance.ts'

const skip = noOpenssl
const CALLS = 5
let authority: Authority
let other: Authority
let server: Pair
let origin: Origin

before(async () => {
  if (skip !== false) return
  authority = new Authority()
  other = new Authority()
  server = authority.issue('collector')
  origin = await Origin.answering(() => ok('x'))
})
after(() => origin?.close())

async function collector(t: TestContext, clientAuthority?: Authority): Promise<Collector> {
  const tls = { cert: readFileSync(server.cert), key: readFileSync(server.key) }
  const mutual = clientAuthority === undefined ? {} : { clientAuthority: readFileSync(clientAuthority.cert) }
  const started = await new Collector().start(0, { ...tls, ...mutual })
  t.after(() => started.stop())
  return started
}

/** A proxy that exports there, after {@link CALLS} calls that were all served. */
async function used(t: TestContext, endpoint: string, flags: readonly string[]): Promise<Instance> {
  const otlp = ['--otlp-endpoint', endpoint, '--otlp-schedule-ms', '50', ...flags]
  const instance = await startInstance(`http://127.0.0.1:${origin.port}`, otlp)
  t.after(() => instance.stop('SIGKILL'))
  for (let i = 0; i < CALLS; i++) await served(instance)
  return instance
}

async function served({ port }: Instance): Promise<void> {
  const status = await new Promise((resolve, reject) => {
    get({ port, host: '127.0.0.1', agent: false }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode))
    }).on('error', reject)
  })
  assert.equal(status, 200)
}

async function metric({ metricsPort }: Instance, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()
  const line = text.split('\n').find((one) => one.startsWith(`${name} `) || one.startsWith(`${name}{error_type=""}`))
  return Number(line?.split(' ').at(-1))
}

test('TLS: spans arrive where the authority is the one that is configured', { skip }, async (t) => {
  const there = await collector(t)
  const instance = await used(t, there.endpoint, ['--otlp-certificate', authority.cert])
  await eventually('spans', () => there.spans.length === CALLS)
  assert.equal(await metric(instance, 'otel_sdk_exporter_span_exported_total'), CALLS)
})

test('mTLS: spans arrive with the certificate that is asked for', { skip }, async (t) => {
  const there = await collector(t, other)
  const mine = other.issue('proxy')
  const flags = ['--otlp-certificate', authority.cert, '--otlp-client-certificate', mine.cert]
  await used(t, there.endpoint, [...flags, '--otlp-client-key', mine.key])
  await eventually('spans', () => there.spans.length === CALLS)
})

for (const [what, settings] of [
  ['an authority that did not vouch for it', (): string[] => ['--otlp-certificate', other.cert]],
  ['no certificate where one is asked for', (): string[] => ['--otlp-certificate', authority.cert]],
] as const) {
  test(`${what}: calls are served, spans wait and are counted, and the log says why and what was lost`, {
    skip,
  }, async (t) => {
    const there = await collector(t, other)
    const instance = await used(t, there.endpoint, settings())
    const says = (text: string): boolean => instance.lines.some((line) => line.includes(text))
    await eventually('a warning', () => says('the collector does not take spans'))
    await served(instance)
    assert.equal(await metric(instance, 'otel_sdk_exporter_span_exported_total'), 0)
    assert.ok((await metric(instance, 'hopscope_exporter_failures_total')) > 0)
    let waiting = 0
    const read = setInterval(async () => {
      waiting = await metric(instance, 'otel_sdk_exporter_span_inflight').catch(() => waiting)
    }, 50)
    await eventually('all spans waiting', () => waiting === CALLS + 1).finally(() => clearInterval(read))
    assert.equal(await instance.stop(), 0)
    assert.equal(there.spans.length, 0)
    const lost = instance.lines.find((line) => line.includes('spans were lost'))
    assert.deepEqual(JSON.parse(lost ?? '{}').dropped, { shutdown: CALLS + 1 })
  })
}
