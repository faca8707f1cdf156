import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ProxyError } from '../../src/core/errors.ts'
import { RPC_GRPC } from '../../src/core/grpc.ts'
import { newSpanId, newTraceId } from '../../src/core/ids.ts'
import { silentLogger } from '../../src/core/log.ts'
import { spanOf } from '../../src/telemetry/exchange-span.ts'
import { createTelemetry, type Telemetry } from '../../src/telemetry/telemetry.ts'
import { Collector, until } from './collector.ts'
import { accountedFor, connection, finishedExchange } from './finished-exchange.ts'

async function withCollector(
  run: (telemetry: Telemetry, collector: Collector) => Promise<void>,
  more: { readonly batchSpans?: number; readonly compression?: 'gzip' | 'none' } = {},
): Promise<void> {
  const collector = await new Collector().start()
  const telemetry = createTelemetry({
    otlp: { endpoint: collector.endpoint, headers: { 'x-tenant': 'blue' }, ...more },
    resource: { 'service.name': 'shop', 'service.instance.id': 'shop-1' },
    version: '0.0.1',
    scheduleMs: 20,
    logger: silentLogger,
  })
  try {
    await run(telemetry, collector)
  } finally {
    await telemetry.close(2000)
    collector.stop()
  }
}

test('a SERVER span has the conventional attributes, its phases and times', async () => {
  await withCollector(async (telemetry, collector) => {
    const x = finishedExchange({ path: '/orders/7?page=2&token=abc', requestId: 'r-42' })
    x.trace!.state = 'vendor=1'
    x.requestBytes = 11
    x.responseBytes = 300
    telemetry.onFinish(x)
    await until(
      () => collector.spans.length === 1,
      () => `${collector.spans.length} spans`,
    )
    const span = collector.spans[0]!
    assert.equal(span.traceId, x.trace!.traceId)
    assert.equal(span.spanId, x.trace!.spanId)
    assert.equal(span.parentSpanId, x.trace!.parentSpanId)
    assert.equal(span.traceState, 'vendor=1')
    assert.equal(span.name, 'GET')
    assert.equal(span.kind, 2)
    assert.equal(span.flags, 0x301)
    assert.equal(span.status, null)
    assert.deepEqual(span.attributes, {
      'http.request.method': 'GET',
      'network.protocol.version': '1.1',
      'http.response.status_code': 200,
      'url.scheme': 'http',
      'network.peer.address': '192.0.2.7',
      'network.peer.port': x.connection.peer.port,
      'client.address': '192.0.2.7',
      'hopscope.direction': 'inbound',
      'server.address': 'shop.example',
      'server.port': 8080,
      'user_agent.original': 'test/1.0',
      'hopscope.upstream.address': '203.0.113.9',
      'hopscope.upstream.port': 9000,
      'url.path': '/orders/7',
      'url.query': 'page=2&token=REDACTED',
      'http.request.header.x-request-id': ['r-42'],
      'hopscope.phase.queue_us': 10,
      'hopscope.phase.send_us': 20,
      'hopscope.phase.wait_us': 4820,
      'hopscope.phase.receive_us': 30,
      'hopscope.self_us': 120,
      'hopscope.connection.reused': true,
      'http.request.body.size': 11,
      'http.response.body.size': 300,
    })
    assert.equal(new Set(span.keys).size, span.keys.length, 'no attribute twice')
    const durationNs = Number(span.endNs - span.startNs)
    assert.ok(Math.abs(durationNs - 5_000_000) <= 1000, `${durationNs} ns`)
    assert.ok(Math.abs(Number(span.endNs / 1_000_000n) - Date.now()) < 5000)
    assert.equal(collector.resource['service.name'], 'shop')
    assert.equal(collector.resource['telemetry.sdk.name'], 'hopscope')
    assert.deepEqual(collector.metadata?.get('x-tenant'), ['blue'])
  })
})

test('a CLIENT span names the full url and the upstream as its peer, and 4xx is its error', async () => {
  await withCollector(async (telemetry, collector) => {
    const x = finishedExchange({
      connection: connection('outbound', { address: '203.0.113.9', port: 9000 }),
      method: 'FROB',
      path: '/a?sig=s3cret',
      host: 'user:pw@api.example',
      status: 404,
    })
    telemetry.onFinish(x)
    await until(
      () => collector.spans.length === 1,
      () => 'no span',
    )
    const { name, kind, attributes, status } = collector.spans[0]!
    assert.equal(name, 'HTTP')
    assert.equal(kind, 3)
    assert.equal(attributes['http.request.method'], '_OTHER')
    assert.equal(attributes['http.request.method_original'], 'FROB')
    assert.equal(attributes['url.full'], 'http://api.example/a?sig=REDACTED')
    assert.equal(attributes['server.address'], 'api.example')
    assert.equal(attributes['server.port'], 80)
    assert.equal(attributes['network.peer.address'], '203.0.113.9')
    assert.equal(attributes['error.type'], '404')
    assert.deepEqual(status, { message: '', code: 2 })
  })
})

test('the query of a gRPC path is neither in the name of the span and the method, nor a label', async () => {
  await withCollector(async (telemetry, collector) => {
    const x = finishedExchange({ path: '/pkg.Shop/Buy?token=hidden' })
    x.rpc = RPC_GRPC
    x.grpcStatus = 0
    telemetry.onFinish(x)
    await until(
      () => collector.spans.length === 1,
      () => 'no span',
    )
    const { name, attributes } = collector.spans[0]!
    assert.deepEqual([name, attributes['rpc.method']], ['pkg.Shop/Buy', 'pkg.Shop/Buy'])
    assert.doesNotMatch(JSON.stringify(attributes), /hidden/)
    const { text } = await telemetry.metrics.scrape()
    assert.match(text, /^rpc_server_call_duration_seconds_count\{.*rpc_method="pkg.Shop\/Buy"/m)
  })
})

test('an exchange that reached no upstream has none, whatever the one before it on the connection had', async () => {
  await withCollector(async (telemetry, collector) => {
    const at = connection()
    telemetry.onFinish(finishedExchange({ connection: at }))
    const refused = finishedExchange({ connection: at, status: 404 })
    refused.upstreamPeer = undefined
    telemetry.onFinish(refused)
    await until(
      () => collector.spans.length === 2,
      () => `${collector.spans.length} spans`,
    )
    const ports = collector.spans.map(({ attributes }) => attributes['hopscope.upstream.port'])
    assert.deepEqual(ports, [9000, undefined])
    assert.equal(collector.spans[1]!.attributes['url.path'], '/orders/7')
    const [view] = telemetry.recorder.read()
    assert.ok(view?.kind === 'exchange')
    assert.deepEqual([view.status, view.upstream], [404, undefined])
  })
})

test('url.full of a target that is no path is of its host alone', async () => {
  await withCollector(async (telemetry, collector) => {
    for (const [method, path] of [
      ['OPTIONS', '*'],
      ['CONNECT', 'shop.example:8080'],
      ['GET', '/a?b=c'],
    ] as const) {
      telemetry.onFinish(finishedExchange({ connection: connection('outbound'), method, path }))
    }
    await until(
      () => collector.spans.length === 3,
      () => `${collector.spans.length} spans`,
    )
    const base = 'http://shop.example:8080'
    assert.deepEqual(
      collector.spans.map(({ attributes }) => attributes['url.full']),
      [base, base, `${base}/a?b=c`],
    )
  })
})

test('a CONNECT has no url.path', async () => {
  await withCollector(async (telemetry, collector) => {
    for (const [method, path] of [
      ['CONNECT', 'shop.example:8080'],
      ['CONNECT', '/chat'],
      ['GET', '/a'],
    ] as const) {
      telemetry.onFinish(finishedExchange({ connection: connection('inbound'), method, path }))
    }
    await until(
      () => collector.spans.length === 3,
      () => `${collector.spans.length} spans`,
    )
    assert.deepEqual(
      collector.spans.map(({ attributes }) => attributes['url.path']),
      [undefined, '/chat', '/a'],
    )
  })
})

test('a long tracestate loses whole members from its end', async () => {
  await withCollector(async (telemetry, collector) => {
    const member = (i: number): string => `k${i}=${String(i).repeat(80)}`
    const states = [Array.from({ length: 9 }, (_, i) => member(i)).join(','), `a=${'x'.repeat(2000)}`]
    for (const state of states) {
      const x = finishedExchange()
      x.trace!.state = state
      telemetry.onFinish(x)
    }
    await until(
      () => collector.spans.length === 2,
      () => `${collector.spans.length} spans`,
    )
    const [long, one] = collector.spans.map(({ traceState }) => traceState)
    assert.equal(one, '')
    assert.ok(long!.length > 300 && states[0]!.startsWith(`${long},`), long)
  })
})

test('a failure names its code, phase, errno, source and connection; a cancelled request is no error', async () => {
  await withCollector(async (telemetry, collector) => {
    const failed = finishedExchange({ status: 502 })
    failed.error = new ProxyError('upstream_reset', 'wait', 'closed after 3 bytes', {
      errno: 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
      connection: { reused: true, ageUs: 1234.4, bytesSent: 99 },
    })
    const cancelled = finishedExchange({ status: 0 })
    cancelled.error = new ProxyError('client_closed', 'wait')
    telemetry.onFinish(failed)
    telemetry.onFinish(cancelled)
    await until(
      () => collector.spans.length === 2,
      () => `${collector.spans.length} spans`,
    )
    const { attributes, status } = collector.spans[0]!
    assert.equal(attributes['error.type'], 'upstream_reset')
    assert.equal(attributes['hopscope.error.code'], 'upstream_reset')
    assert.equal(attributes['hopscope.error.phase'], 'wait')
    assert.equal(attributes['hopscope.error.source'], 'upstream')
    assert.equal(attributes['hopscope.error.errno'], 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED')
    assert.equal(attributes['hopscope.error.bytes_sent'], 99)
    assert.equal(attributes['hopscope.error.connection_age_us'], 1234)
    assert.deepEqual(status, { message: 'closed after 3 bytes', code: 2 })
    const second = collector.spans[1]!
    assert.equal(second.status, null)
    assert.equal(second.attributes['error.type'], undefined)
    assert.equal(second.attributes['http.response.status_code'], undefined)
    assert.equal(second.attributes['hopscope.error.code'], 'client_closed')
  })
})

test('each attempt of a retried exchange is a CLIENT child, and counts as a span', async () => {
  await withCollector(async (telemetry, collector) => {
    const x = finishedExchange()
    const { startUs, finishUs } = x.timing
    const refused = new ProxyError('connection_refused', 'connect', '', { errno: 'ECONNREFUSED' })
    x.attempts = 2
    x.request.path = '/orders/7?sig=abc&n=1'
    const common = { target: { scheme: 'https', host: 'orders.internal', port: 443 }, grpcStatus: -1 } as const
    const peer = { address: '10.1.2.3', port: 443 }
    x.attemptLog = [
      { ...common, spanId: newSpanId(), peer: undefined, startUs, endUs: startUs + 100, status: 0, error: refused },
      { ...common, spanId: newSpanId(), peer, startUs: startUs + 100, endUs: finishUs, status: 200, error: undefined },
    ]
    telemetry.onFinish(x)
    await until(
      () => collector.spans.length === 3,
      () => `${collector.spans.length} spans`,
    )
    const [parent, first, second] = collector.spans
    for (const child of [first!, second!]) {
      assert.equal(child.kind, 3)
      assert.equal(child.traceId, parent!.traceId)
      assert.equal(child.parentSpanId, parent!.spanId)
    }
    for (const [i, { attributes }] of [first!, second!].entries()) {
      assert.equal(attributes['http.request.method'], 'GET')
      assert.equal(attributes['server.address'], 'orders.internal')
      assert.equal(attributes['server.port'], 443)
      assert.equal(attributes['url.full'], 'https://orders.internal/orders/7?sig=REDACTED&n=1')
      assert.equal(attributes['hopscope.attempt'], i + 1)
    }
    assert.equal(first!.attributes['error.type'], 'connection_refused')
    assert.equal(first!.attributes['hopscope.error.errno'], 'ECONNREFUSED')
    assert.equal(first!.attributes['network.peer.address'], undefined)
    assert.equal(second!.attributes['network.peer.address'], '10.1.2.3')
    assert.equal(second!.attributes['network.peer.port'], 443)
    assert.equal(second!.attributes['http.request.resend_count'], 1)
    assert.equal(parent!.attributes['hopscope.retry_us'], 100)
    assert.equal(second!.status, null)
    await until(
      () => telemetry.counters().exported === 3,
      () => JSON.stringify(telemetry.counters()),
    )
  })
})

test('what user stages put on the span arrives, within bounds, with an inferred link', async () => {
  await withCollector(async (telemetry, collector) => {
    const x = finishedExchange()
    const cause = { traceId: newTraceId(), spanId: newSpanId() }
    x.inferredLink = cause
    const span = spanOf(x)
    assert.equal(spanOf(x), span)
    assert.equal(span.spanContext().spanId, x.trace!.spanId)
    span
      .setAttribute('app.user', 'käthe')
      .setAttributes({ 'app.n': 4, 'app.r': 0.5, 'app.list': ['a', 'b'], 'app.ok': true })
    span.addEvent('cache', { hit: false })
    span.recordException(new TypeError('no'))
    span.updateName('checkout').setStatus({ code: 2, message: 'bad day' })
    for (let i = 0; i < 100; i++) span.setAttribute(`many.${i}`, i)
    telemetry.onFinish(x)
    span.setAttribute('late', true)
    await until(
      () => collector.spans.length === 1,
      () => 'no span',
    )
    const got = collector.spans[0]!
    assert.equal(got.name, 'checkout')
    assert.deepEqual(got.status, { message: 'bad day', code: 2 })
    assert.equal(got.attributes['app.user'], 'käthe')
    assert.equal(got.attributes['app.n'], 4)
    assert.equal(got.attributes['app.r'], 0.5)
    assert.deepEqual(got.attributes['app.list'], ['a', 'b'])
    assert.equal(got.attributes['app.ok'], true)
    assert.equal(got.attributes.late, undefined)
    assert.equal(got.dropped, 100 - (64 - 5))
    assert.deepEqual(
      got.events.map((event) => event.name),
      ['cache', 'exception'],
    )
    assert.equal(got.events[1]!.attributes['exception.message'], 'no')
    assert.deepEqual(got.links, [{ ...cause, attributes: { correlation: 'inferred' } }])
  })
})

test('an opaque tunnel is a span with its bytes, server name and handshake', async () => {
  await withCollector(async (telemetry, collector) => {
    const trace = { traceId: newTraceId(), spanId: newSpanId(), parentSpanId: '', flags: 3, state: '' }
    telemetry.recordTunnel({
      connection: connection('outbound'),
      trace,
      sampled: true,
      reason: 'tls',
      destination: { address: '203.0.113.5', port: 443 },
      startUs: 1000,
      endUs: 251_000,
      bytesFromClient: 517,
      bytesToClient: 90_210,
      serverName: 'db.example',
      alpnOffered: 'h2,http/1.1',
      connectUs: 340.4,
      tlsHandshakeUs: 1800.2,
      error: undefined,
    })
    await until(
      () => collector.spans.length === 1,
      () => 'no span',
    )
    const { name, kind, attributes, flags, endNs, startNs } = collector.spans[0]!
    assert.equal(name, 'tunnel tls')
    assert.equal(kind, 3)
    assert.equal(flags, 0x103)
    assert.equal(endNs - startNs, 250_000_000n)
    assert.equal(attributes['server.address'], 'db.example')
    assert.equal(attributes['server.port'], 443)
    assert.equal(attributes['network.peer.address'], '203.0.113.5')
    assert.equal(attributes['hopscope.tls.alpn_offered'], 'h2,http/1.1')
    assert.equal(attributes['hopscope.phase.connect_us'], 340)
    assert.equal(attributes['hopscope.phase.tls_us'], 1800)
    assert.equal(attributes['hopscope.tunnel.bytes_to_client'], 90_210)
  })
})

test('ten thousand spans of two hundred connections arrive once each, over one connection, in bounded requests', async () => {
  await withCollector(
    async (telemetry, collector) => {
      const sent = new Map<string, string>()
      const connections = Array.from({ length: 200 }, () => connection('edge'))
      for (let i = 0; i < 10_000; i++) {
        const at = connections[(i * 7) % connections.length]!
        const x = finishedExchange({
          connection: at,
          path: `/item/${i}`,
          host: i % 5 === 0 ? 'other.example' : 'shop.example',
        })
        sent.set(x.trace!.spanId, `${x.request.path} ${x.request.host} ${at.peer.port}`)
        telemetry.onFinish(x)
        if (i % 500 === 0) await new Promise((resolve) => setImmediate(resolve))
      }
      await until(
        () => telemetry.counters().exported === 10_000,
        () => JSON.stringify(telemetry.counters()),
      )
      assert.equal(collector.spans.length, 10_000)
      for (const { spanId, attributes } of collector.spans) {
        const got = `${attributes['url.path']} ${attributes['server.address']} ${attributes['network.peer.port']}`
        assert.equal(got, sent.get(spanId))
        sent.delete(spanId)
      }
      assert.equal(collector.peers.size, 1)
      assert.ok(collector.requests.every(({ spans, bytes }) => spans <= 256 && bytes < 4 * 1024 * 1024))
      assert.equal(accountedFor(telemetry.counters()), 10_000)
    },
    { batchSpans: 256, compression: 'gzip' },
  )
})

test('an unsampled exchange is not exported', async () => {
  await withCollector(async (telemetry, collector) => {
    telemetry.onFinish(finishedExchange({ sampled: false }))
    telemetry.onFinish(finishedExchange({ path: '/sampled' }))
    await until(
      () => collector.spans.length > 0,
      () => 'no span',
    )
    assert.deepEqual(
      collector.spans.map((span) => span.attributes['url.path']),
      ['/sampled'],
    )
    assert.equal(telemetry.counters().recorded, 1)
  })
})

test('TCP_INFO of both sides is on the span where it is known, and only what is known', async () => {
  const collector = await new Collector().start()
  const telemetry = createTelemetry({
    otlp: { endpoint: collector.endpoint },
    resource: {},
    version: '0.0.1',
    scheduleMs: 20,
    logger: silentLogger,
    tcpOf: () => ({ downstreamRttUs: 71, downstreamRetransmits: 2, upstreamRttUs: 0, upstreamRetransmits: -1 }),
  })
  telemetry.onFinish(finishedExchange())
  await until(
    () => collector.spans.length === 1,
    () => 'no span',
  )
  const { attributes } = collector.spans[0]!
  assert.equal(attributes['hopscope.tcp.downstream.rtt_us'], 71)
  assert.equal(attributes['hopscope.tcp.downstream.retransmits'], 2)
  assert.equal(attributes['hopscope.tcp.upstream.rtt_us'], 0)
  assert.equal(attributes['hopscope.tcp.upstream.retransmits'], undefined)
  await telemetry.close(500)
  collector.stop()
})
