/** Spans of senders that are not ours, and of our own proxy, through real exporters. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { OTLPTraceExporter as GrpcExporter } from '@opentelemetry/exporter-trace-otlp-grpc'
import { OTLPTraceExporter as HttpExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { OTLPTraceExporter as ProtoExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { createProxy } from '../../src/app/library.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { goProgram, pythonWith } from './programs.ts'
import { type RunningAggregator, running, until } from './running.ts'

let it: RunningAggregator
before(async () => {
  it = await running()
})
after(() => it.end())

interface Seen {
  readonly state: string
  readonly hops: readonly {
    readonly service: string
    readonly name: string
    readonly kind: string
    readonly failed: boolean
    readonly route: string
    readonly phases: readonly { readonly phase: string; readonly us: number }[]
    readonly selfUs: number
    readonly durationUs: number
    readonly attributes: Readonly<Record<string, unknown>>
    readonly resource: Readonly<Record<string, unknown>>
    readonly events: readonly { readonly name: string }[]
    readonly scope: { readonly name: string; readonly version: string }
  }[]
}

const exporters = {
  grpc: () => new GrpcExporter({ url: `http://127.0.0.1:${it.grpcPort}` }),
  protobuf: () => new ProtoExporter({ url: `http://127.0.0.1:${it.httpPort}/v1/traces` }),
  json: () => new HttpExporter({ url: `http://127.0.0.1:${it.httpPort}/v1/traces` }),
}

for (const [protocol, exporter] of Object.entries(exporters)) {
  test(`OpenTelemetry's JavaScript SDK by ${protocol}`, async () => {
    const provider = new TracerProvider({
      resource: resourceFromAttributes({ 'service.name': `js-${protocol}` }),
      spanProcessors: [new BatchSpanProcessor({ exporter: exporter() })],
    })
    const tracer = provider.getTracer('shop', '1.2.3')
    const root = tracer.startSpan('checkout', {
      kind: SpanKind.SERVER,
      attributes: { 'http.route': '/checkout/{id}', items: 3 },
    })
    const child = tracer.startSpan('reserve', { kind: SpanKind.INTERNAL }, trace.setSpan(context.active(), root))
    child.addEvent('taken', { shelf: 'a' })
    child.setStatus({ code: SpanStatusCode.ERROR, message: 'none left' })
    child.end()
    root.end()
    await provider.forceFlush()
    await provider.shutdown()
    const seen = await it.ask<Seen>(`hopscope/trace/${root.spanContext().traceId}`)
    assert.equal(seen.state, 'complete')
    assert.deepEqual(
      seen.hops.map(({ service, name, kind, failed }) => [service, name, kind, failed]),
      [
        [`js-${protocol}`, 'checkout', 'server', false],
        [`js-${protocol}`, 'reserve', 'internal', true],
      ],
    )
    const [checkout, reserve] = seen.hops as [Seen['hops'][0], Seen['hops'][0]]
    assert.deepEqual([checkout.route, checkout.attributes.items], ['/checkout/{id}', 3])
    assert.deepEqual(checkout.scope, { name: 'shop', version: '1.2.3' })
    assert.equal(reserve.events[0]!.name, 'taken')
  })
}

const PYTHON = `
import sys
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import SpanKind
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as Grpc
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as Http
from opentelemetry.exporter.otlp.proto.http import Compression
import grpc
provider = TracerProvider(resource=Resource.create({"service.name": "python"}))
provider.add_span_processor(BatchSpanProcessor(Grpc(endpoint="127.0.0.1:" + sys.argv[1], insecure=True, compression=grpc.Compression.Gzip)))
provider.add_span_processor(BatchSpanProcessor(Http(endpoint="http://127.0.0.1:" + sys.argv[2] + "/v1/traces", compression=Compression.Gzip)))
tracer = provider.get_tracer("shop")
with tracer.start_as_current_span("outer", kind=SpanKind.SERVER) as outer:
    for i in range(20):
        with tracer.start_as_current_span("inner", attributes={"i": i, "half": i + 0.5}):
            pass
provider.shutdown()
print(format(outer.get_span_context().trace_id, "032x"))
`
const MODULES = 'opentelemetry.sdk, opentelemetry.exporter.otlp.proto.grpc, opentelemetry.exporter.otlp.proto.http'
const python = pythonWith(MODULES)

test("OpenTelemetry's Python SDK by gRPC and HTTP at once, packed: each span counts once", {
  skip: python.missing,
}, async () => {
  const { stdout } = await promisify(execFile)(
    python.command,
    ['-c', PYTHON, String(it.grpcPort), String(it.httpPort)],
    {
      timeout: 20_000,
    },
  )
  const seen = await it.ask<Seen>(`hopscope/trace/${stdout.trim()}`)
  assert.equal(seen.hops.length, 21)
  assert.deepEqual([seen.hops[0]!.service, seen.hops[0]!.name], ['python', 'outer'])
  assert.deepEqual(
    seen.hops
      .slice(1)
      .map(({ attributes }) => attributes.i)
      .sort((a, b) => Number(a) - Number(b)),
    [...Array(20).keys()],
  )
})

test("OpenTelemetry's Go SDK by gRPC and HTTP at once, packed: each span counts once", async (t) => {
  const folder = tempFolder()
  const { command, missing } = goProgram('test/aggregator/go-sender', join(folder, 'sender'))
  if (missing !== false) {
    t.skip(missing)
    return
  }
  const addresses = [`127.0.0.1:${it.grpcPort}`, `127.0.0.1:${it.httpPort}`]
  const { stdout } = await promisify(execFile)(command, addresses, { timeout: 20_000 })
  const seen = await it.ask<Seen>(`hopscope/trace/${stdout.trim()}`)
  assert.equal(seen.state, 'complete')
  assert.equal(seen.hops.length, 21)
  const [outer, ...inner] = seen.hops as [Seen['hops'][0], ...Seen['hops'][0][]]
  assert.deepEqual([outer.service, outer.name, outer.kind], ['go', 'outer', 'server'])
  assert.deepEqual(outer.scope, { name: 'shop', version: '1.2.3' })
  const eighth = inner.find(({ attributes }) => attributes.i === 7)!
  assert.deepEqual([eighth.failed, eighth.attributes.half, eighth.attributes.list], [true, 7.5, ['a', 'b']])
  assert.equal(eighth.events[0]!.name, 'taken')
})

test('our own proxy: phases and its own time make up the hop', async () => {
  const server = createServer((_req, res) => res.end('ok')).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  const settings = {
    'otlp.endpoint': `http://127.0.0.1:${it.grpcPort}`,
    'otlp.scheduleMs': 50,
    'service.name': 'proxied',
    metrics: 'off',
    admin: 'off',
  }
  const proxy = await createProxy({ upstream: `http://127.0.0.1:${port}`, settings })
  try {
    const answer = await fetch(`${proxy.url}/orders/42?x=1`, { headers: { 'x-request-id': 'from-the-test' } })
    await answer.text()
    interface Found {
      readonly traces: readonly { readonly traceId: string; readonly route: string; readonly http: number }[]
    }
    let found: Found = { traces: [] }
    await until('its span is here', async () => {
      found = await it.ask<Found>('hopscope/search?requestId=from-the-test')
      return found.traces.length === 1
    })
    assert.deepEqual([found.traces[0]!.route, found.traces[0]!.http], ['/orders/{id}', 200])
    const [hop] = (await it.ask<Seen>(`hopscope/trace/${found.traces[0]!.traceId}`)).hops
    assert.equal(hop!.service, 'proxied')
    const sum = hop!.phases.reduce((total, { us }) => total + us, 0) + hop!.selfUs
    assert.ok(Math.abs(sum - hop!.durationUs) < 10, `${sum} of ${hop!.durationUs}`)
    assert.ok(hop!.phases.some(({ phase }) => phase === 'wait'))
  } finally {
    await proxy.close(0)
    server.close()
  }
})
