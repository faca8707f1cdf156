/** What telemetry says of gRPC calls that went through the proxy: name, method and status on spans, metrics, records. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { RPC_GRPC } from '../../src/core/grpc.ts'
import { silentLogger } from '../../src/core/log.ts'
import { createTelemetry, type Telemetry } from '../../src/telemetry/telemetry.ts'
import { eventually } from '../support/proxy.ts'
import { Collector, type ReceivedSpan } from '../telemetry/collector.ts'
import { connection, finishedExchange } from '../telemetry/finished-exchange.ts'
import { EchoClient, outcomeOf, pathOf, startEcho } from './echo.ts'
import { startGrpcProxy } from './grpc-proxy.ts'

interface Watched {
  readonly telemetry: Telemetry
  /** The spans, once there are `count`. */
  readonly spans: (count: number) => Promise<readonly ReceivedSpan[]>
}

async function watched(t: TestContext): Promise<Watched> {
  const collector = await new Collector().start()
  const telemetry = createTelemetry({
    otlp: { endpoint: collector.endpoint, headers: {} },
    resource: { 'service.name': 'shop' },
    version: '0.0.1',
    scheduleMs: 20,
    logger: silentLogger,
  })
  t.after(async () => {
    await telemetry.close(1000)
    collector.stop()
  })
  return {
    telemetry,
    spans: async (count) => {
      await eventually(`${count} spans`, () => collector.spans.length >= count)
      return collector.spans
    },
  }
}

async function scraped(telemetry: Telemetry, name: string): Promise<string[]> {
  const { text } = await telemetry.metrics.scrape()
  return text.split('\n').filter((line) => line.startsWith(name))
}

test('a call through the proxy', async (t) => {
  const { telemetry, spans } = await watched(t)
  const server = await startEcho(t)
  const observe = {
    name: 'telemetry',
    role: 'observe',
    onFinish: (x: Parameters<Telemetry['onFinish']>[0]) => telemetry.onFinish(x),
  } as const
  const { port } = await startGrpcProxy(t, server.port, { stages: [observe] })
  const client = new EchoClient(t, port)
  await client.unary(pathOf('Unary'), Buffer.from('x'))
  await client.unary(pathOf('Fail'), Buffer.of(5))
  await outcomeOf(client.split(pathOf('FailLate'), Buffer.of(14)))
  const [good, missing, failed] = await spans(3)
  assert.equal(good!.name, 'hopscope.test.Echo/Unary')
  assert.equal(good!.status, null)
  assert.equal(good!.attributes['rpc.system.name'], 'grpc')
  assert.equal(good!.attributes['rpc.method'], 'hopscope.test.Echo/Unary')
  assert.equal(good!.attributes['rpc.response.status_code'], 'OK')
  assert.equal(good!.attributes['network.protocol.version'], '2')
  assert.equal(good!.attributes['http.response.status_code'], 200)
  assert.equal(missing!.attributes['rpc.response.status_code'], 'NOT_FOUND')
  assert.equal(missing!.status, null, 'the client asked for what is not there: no fault of the server')
  assert.equal(failed!.attributes['rpc.response.status_code'], 'UNAVAILABLE')
  assert.equal(failed!.attributes['error.type'], 'UNAVAILABLE')
  assert.equal(failed!.status?.code, 2)
  const counts = await scraped(telemetry, 'rpc_server_call_duration_seconds_count')
  assert.deepEqual(
    counts.map((line) =>
      /rpc_method="([^"]*)",rpc_response_status_code="([^"]*)".* (\d+)$/.exec(line)?.slice(1).join(' '),
    ),
    [
      'hopscope.test.Echo/Unary OK 1',
      'hopscope.test.Echo/Fail NOT_FOUND 1',
      'hopscope.test.Echo/FailLate UNAVAILABLE 1',
    ],
  )
  assert.match(counts[2]!, /error_type="UNAVAILABLE"/)
  const kept = telemetry.recorder.read({ failed: true })
  assert.deepEqual(
    kept.map((view) => view.kind === 'exchange' && view.grpcStatus),
    ['UNAVAILABLE'],
  )
})

test('a client span is an error with any status but OK', async (t) => {
  const { telemetry, spans } = await watched(t)
  const x = finishedExchange({ connection: connection('outbound'), path: '/a.B/C', method: 'POST' })
  x.rpc = RPC_GRPC
  x.grpcStatus = 5
  telemetry.onFinish(x)
  const [span] = await spans(1)
  assert.equal(span!.kind, 3)
  assert.equal(span!.attributes['error.type'], 'NOT_FOUND')
  assert.equal(span!.status?.code, 2)
  assert.equal((await scraped(telemetry, 'rpc_client_call_duration_seconds_count')).length, 1)
})

test('methods that no server knows make no series, nor do very many', async (t) => {
  const { telemetry } = await watched(t)
  for (let i = 0; i < 600; i++) {
    const x = finishedExchange({ path: `/a.B/C${i}`, method: 'POST', sampled: false })
    x.rpc = RPC_GRPC
    x.grpcStatus = i < 300 ? 12 : 0
    telemetry.onFinish(x)
  }
  const counts = await scraped(telemetry, 'rpc_server_call_duration_seconds_count')
  assert.equal(counts.length, 256 + 2)
  const others = counts.filter((line) => line.includes('rpc_method="_OTHER"'))
  assert.deepEqual(
    others.map((line) => Number(line.split(' ').at(-1))),
    [44, 300],
  )
})

test('a path that is no method names no span', async (t) => {
  const { telemetry, spans } = await watched(t)
  const x = finishedExchange({ path: `/${'long/'.repeat(100)}`, method: 'POST' })
  x.rpc = RPC_GRPC
  telemetry.onFinish(x)
  const [span] = await spans(1)
  assert.equal(span!.name, 'POST')
  assert.equal(span!.attributes['rpc.method'], undefined)
  assert.equal(span!.attributes['rpc.response.status_code'], undefined)
})
