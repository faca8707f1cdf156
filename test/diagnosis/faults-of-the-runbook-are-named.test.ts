/** Each fault is made for real before a real proxy; what is said of its trace is asked of a real aggregator. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:http2'
import { get } from 'node:https'
import { createServer } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { startRawServer } from '../grpc/raw-server.ts'
import { Origin, ok } from '../support/origin.ts'
import { Ca, type Dates } from '../tls/certificates.ts'
import { secureOrigin } from '../tls/secure-origin.ts'
import { Range } from './real-hops.ts'

type TlsOptions = Parameters<typeof secureOrigin>[2]

async function overTls(t: TestContext, dates: Dates, options: TlsOptions = {}): Promise<readonly [string, object]> {
  const ca = await Ca.make(t)
  const origin = await secureOrigin(t, await ca.issue('server', ['localhost'], dates), options)
  return [`https://localhost:${origin.port}`, { 'upstream.tls.ca': ca.cert }]
}

// Most of the time is waiting.
describe('faults made for real', { concurrency: 3 }, () => {
  test('TLS, names, connects and deadlines: a single failed trace says which', async (t) => {
    const range = await Range.start(t)
    const refused = createServer().listen(0, '127.0.0.1')
    await once(refused, 'listening')
    const { port: deadPort } = refused.address() as { port: number }
    refused.close()
    const hanging = createServer(() => {}).listen(0, '127.0.0.1')
    await once(hanging, 'listening')
    t.after(() => hanging.close())
    const silent = `http://127.0.0.1:${(hanging.address() as { port: number }).port}`
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' } as const
    const cases: readonly (readonly [name: string, url: string, settings: object])[] = [
      ['tls_certificate_expired', ...(await overTls(t, { from: -9, to: -1 }))],
      ['tls_version_mismatch', ...(await overTls(t, {}, old))],
      ['dns_failing', 'http://nowhere.invalid', {}],
      ['connection_refused', `http://127.0.0.1:${deadPort}`, {}],
      ['upstream_timeout', silent, { 'timeouts.firstByteMs': '150' }],
    ]
    const said = await Promise.all(
      cases.map(async ([name, url, settings]) => {
        const port = await range.hop(name.replaceAll('_', '-'), url, { ...settings })
        await (await fetch(`http://127.0.0.1:${port}/x`)).arrayBuffer()
        const { verdict, causes } = await range.diagnosis(name.replaceAll('_', '-'))
        return [name, verdict, causes[0]?.diagnosis]
      }),
    )
    assert.deepEqual(
      said,
      cases.map(([name]) => [name, 'failed', name]),
    )
  })

  test('a gRPC deadline that passes', async (t) => {
    const range = await Range.start(t)
    const upstream = await startRawServer(t, () => {})
    const port = await range.hop('ledger', `http://127.0.0.1:${upstream.port}`, { 'upstream.protocol': 'h2' })
    const session = connect(`http://127.0.0.1:${port}`)
    t.after(() => session.destroy())
    const headers = { ':method': 'POST', ':path': '/a.B/C', 'content-type': 'application/grpc', te: 'trailers' }
    const call = session.request({ ...headers, 'grpc-timeout': '150m' })
    await once(call, 'response')
    const { verdict, causes } = await range.diagnosis('ledger')
    assert.deepEqual([verdict, causes[0]?.diagnosis], ['failed', 'deadline_exceeded'])
  })

  test('a certificate that ends in three days: a warning, once, however often it is shown, and its trace says so', async (t) => {
    const range = await Range.start(t)
    const [url, settings] = await overTls(t, { from: -87, to: 3 })
    const port = await range.hop('shop', url, { ...settings })
    for (let i = 0; i < 5; i++) assert.equal((await fetch(`http://127.0.0.1:${port}/x`)).status, 200)
    const warning = await range.incident('a warning', ({ severity }) => severity === 'warning')
    const [cause] = warning.causes
    assert.deepEqual(
      [cause?.diagnosis, cause?.service, warning.state],
      ['tls_certificate_expiring', 'localhost', 'open'],
    )
    assert.match(cause!.evidence.join(), /in (2 days|71 hours).*it is good for 90 days in all|in 3 days/)
    for (let i = 0; i < 5; i++) await fetch(`http://127.0.0.1:${port}/x`)
    const said = await range.diagnosis('shop')
    assert.match(said.note, /the certificate at .* ends 20/, JSON.stringify(said))
    assert.equal((await range.watching()).incidents.length, 1)
  })

  test('our own certificate too; one that is good for long is no news', async (t) => {
    const range = await Range.start(t)
    const ca = await Ca.make(t)
    const fresh = await secureOrigin(t, await ca.issue('fresh', ['localhost'], { from: -1, to: 80 }))
    const own = await ca.issue('own', ['localhost'], { from: -30, to: 1 })
    const front = await range.hop('front', `https://localhost:${fresh.port}`, {
      ...{ 'tls.cert': own.cert, 'tls.key': own.key },
      'upstream.tls.ca': ca.cert,
    })
    for (let i = 0; i < 3; i++) {
      const [answer] = await once(get({ port: front, host: 'localhost', path: '/', ca: ca.files.pem.cert }), 'response')
      answer.resume()
    }
    const warning = await range.incident('a warning', ({ severity }) => severity === 'warning')
    assert.deepEqual([warning.causes[0]?.diagnosis, warning.causes[0]?.service], ['tls_certificate_expiring', 'front'])
    assert.equal((await range.watching()).incidents.length, 1)
  })

  test('and that of a client', async (t) => {
    const range = await Range.start(t)
    const ca = await Ca.make(t)
    const origin = await Origin.answering(() => ok('x'))
    t.after(() => origin.close())
    const own = await ca.issue('own', ['localhost'])
    const client = await ca.issue('web', ['web.example'], { from: -40, to: 2 })
    const front = await range.hop('front', `http://127.0.0.1:${origin.port}`, {
      ...{ 'tls.cert': own.cert, 'tls.key': own.key, 'tls.clientCa': ca.cert, 'tls.clientAuth': 'require' },
    })
    const trusted = { port: front, host: 'localhost', path: '/', ca: ca.files.pem.cert }
    const [answer] = await once(get({ ...trusted, cert: client.pem.cert, key: client.pem.key }), 'response')
    answer.resume()
    const { causes } = await range.incident('a warning', ({ severity }) => severity === 'warning')
    assert.deepEqual([causes[0]?.diagnosis, causes[0]?.service], ['tls_certificate_expiring', 'web.example'])
  })
})
