import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { generate, type Packet } from 'mqtt-packet'
import { OpaqueTelemetry } from '../../src/app/opaque-telemetry.ts'
import { ProxyError } from '../../src/core/errors.ts'
import type { ConnectionInfo } from '../../src/exchange/exchange.ts'
import { OpaqueMetrics } from '../../src/telemetry/opaque-metrics.ts'
import { createSampler } from '../../src/telemetry/sampler.ts'
import { createTelemetry, type Telemetry } from '../../src/telemetry/telemetry.ts'
import { eventually } from '../support/proxy.ts'
import { Collector } from '../telemetry/collector.ts'

const CONNECTION: ConnectionInfo = {
  id: 1,
  direction: 'outbound',
  peer: { address: '10.0.0.1', port: 1 },
  local: { address: '10.0.0.2', port: 2 },
  originalDestination: undefined,
  scheme: 'http',
  fd: -1,
  affinity: undefined,
  exchanges: 0,
  tcpReadUs: 0,
}
const DESTINATION = { address: '10.0.0.3', port: 1883 }
const TUNNEL = {
  connection: CONNECTION,
  reason: 'unknown',
  destination: DESTINATION,
  startUs: 0,
  endUs: 10,
  bytesFromClient: 1,
  bytesToClient: 1,
  serverName: '',
  alpnOffered: '',
  connectUs: -1,
  tlsHandshakeUs: -1,
  error: undefined,
}
const PARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

interface Parts {
  readonly opaque: OpaqueTelemetry
  readonly metrics: OpaqueMetrics
  readonly telemetry: Telemetry
  readonly collector: Collector
}

async function parts(t: TestContext, ratio: number, callsPerSecond = 1000, calls = true): Promise<Parts> {
  const collector = await new Collector().start()
  const log = {
    debug: () => {},
    info: () => {},
    warn: () => {},
    error: (_: unknown, message: string) => assert.fail(message),
  }
  const telemetry = createTelemetry({
    otlp: { endpoint: collector.endpoint },
    resource: { 'service.name': 'test' },
    version: '0',
    scheduleMs: 20,
    logger: log,
  })
  t.after(async () => {
    await telemetry.close(0)
    await collector.stop()
  })
  const metrics = new OpaqueMetrics(telemetry.metrics)
  const sample = createSampler({ ratio, parentBased: true })
  return {
    opaque: new OpaqueTelemetry({ telemetry, metrics, sample, log, calls, callsPerSecond }),
    metrics,
    telemetry,
    collector,
  }
}

/** A session with `publishes` that are answered, the last with a parent; over at once. */
function session({ opaque }: Parts, publishes: number): void {
  const sight = opaque.look(CONNECTION, DESTINATION)
  const send = (fromClient: boolean, packet: Packet): void => {
    const bytes = generate(packet, { protocolVersion: 5 })
    ;(fromClient ? sight.observers.a : sight.observers.b)(bytes, 0, bytes.length)
  }
  send(true, { cmd: 'connect', protocolId: 'MQTT', protocolVersion: 5, clientId: 'c', clean: true, keepalive: 30 })
  send(false, { cmd: 'connack', sessionPresent: false, reasonCode: 0 })
  for (let messageId = 1; messageId <= publishes; messageId++) {
    const properties = messageId === publishes ? { userProperties: { traceparent: PARENT } } : {}
    send(true, { cmd: 'publish', qos: 1, dup: false, retain: false, topic: 't', payload: '', messageId, properties })
    send(false, { cmd: 'puback', messageId, reasonCode: 0 })
  }
  opaque.record({
    ...TUNNEL,
    sight,
  })
}

const settled = async ({ telemetry }: Parts): Promise<void> =>
  await eventually('delivery', () => telemetry.counters().recorded === telemetry.counters().exported)

async function scraped({ telemetry }: Parts, line: RegExp): Promise<number> {
  const { text } = await telemetry.metrics.scrape()
  return Number(line.exec(text)?.[1] ?? 0)
}

const PUBLISHES = /opaque_call_duration_seconds_count\{protocol="mqtt",operation="PUBLISH",outcome="ok"\} (\d+)/
const NOT_RECORDED = /opaque_calls_not_recorded_total (\d+)/

test('all sampled: a span for each call, linked to that of the tunnel', async (t) => {
  const all = await parts(t, 1)
  session(all, 3)
  await eventually('spans', () => all.collector.spans.length === 5)
  const tunnel = all.collector.spans.find(({ name }) => name === 'tunnel unknown')
  const calls = all.collector.spans.filter((span) => span !== tunnel)
  for (const { links } of calls) {
    assert.deepEqual(
      links.map(({ traceId, spanId }) => [traceId, spanId]),
      [[tunnel?.traceId, tunnel?.spanId]],
    )
  }
  const child = calls.find(({ parentSpanId }) => parentSpanId !== '')
  assert.deepEqual([child?.traceId, child?.parentSpanId], ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7'])
})

test('none sampled: calls are counted, and the one whose publisher is sampled has its span', async (t) => {
  const none = await parts(t, 0)
  session(none, 3)
  await settled(none)
  await eventually('span', () => none.collector.spans.length === 1)
  const [span] = none.collector.spans
  assert.deepEqual([span?.name, span?.parentSpanId], ['MQTT PUBLISH', '00f067aa0ba902b7'])
  assert.deepEqual(span?.links, [], 'the tunnel has no span to point at')
  assert.equal(await scraped(none, PUBLISHES), 3)
})

test('more calls than are recorded in a second: the rest is counted', async (t) => {
  const few = await parts(t, 1, 10)
  session(few, 49)
  await settled(few)
  const recorded = few.collector.spans.filter(({ name }) => name !== 'tunnel unknown').length
  const left = await scraped(few, NOT_RECORDED)
  // It took a moment, in which some were allowed again.
  assert.ok(recorded >= 10 && recorded < 25, `${recorded} recorded`)
  assert.equal(recorded + left, 50)
  assert.equal(await scraped(few, PUBLISHES), 49)
  const tunnel = few.collector.spans.find(({ name }) => name === 'tunnel unknown')
  assert.equal(tunnel?.attributes['hopscope.tunnel.calls'], 50)
})

test('calls switched off: the connection is named and no more', async (t) => {
  const off = await parts(t, 1, 1000, false)
  session(off, 3)
  await eventually('span', () => off.collector.spans.length === 1)
  assert.equal(off.collector.spans[0]?.attributes['network.protocol.name'], 'mqtt')
  assert.equal(await scraped(off, PUBLISHES), 0)
  assert.equal(await scraped(off, /opaque_connections_total\{protocol="mqtt"\} (\d+)/), 1)
})

test('a tunnel that is exported for its failure alone does not say that it was sampled', async (t) => {
  const none = await parts(t, 0)
  none.opaque.record({ ...TUNNEL, error: new ProxyError('upstream_reset', 'tunnel') })
  await eventually('the span', () => none.collector.spans.length === 1)
  assert.equal(none.collector.spans[0]!.flags, 0x102)
})
