/** Real rules, a real sidecar, real brokers and servers on the other side: what spans and metrics say of them. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createPair, netnsUnavailable, type Pair } from '../interception/netns.ts'
import { APP_UID } from '../interception/programs.ts'
import { type Sidecar, said, startSidecar, type ToldSpan } from '../interception/sidecar.ts'
import { eventually } from '../support/proxy.ts'
import { brokerFiles, noMosquitto } from './mosquitto.ts'
import { CLIENTS, SERVERS } from './recorded.ts'
import { FORMS } from './thrift-peers.ts'

const skip = netnsUnavailable() || noMosquitto
const missing = (program: string): string | false =>
  skip || (spawnSync(program, ['--version']).error === undefined ? false : `${program} is not installed`)

const PORTS = {
  mqtt: 1883,
  redis: 6379,
  postgresql: 5432,
  mysql: 3306,
  kafka: 9092,
  thrift: 9999,
  unknown: 7000,
} as const
const APP = { uid: APP_UID }
let pair: Pair
let sidecar: Sidecar
let broker: ReturnType<typeof brokerFiles>

const local = (name: string, ...args: readonly (string | number)[]): string[] => [
  process.execPath,
  fileURLToPath(new URL(`${name}.js`, import.meta.url)),
  ...args.map(String),
]

before(async () => {
  if (skip !== false) return
  pair = createPair()
  // The sidecar's rules have ports as they are used in earnest; they decide nothing.
  const ports = [80, ...Object.values(PORTS)].join(',')
  sidecar = await startSidecar(pair.pod, ['--access-log', 'all'], { ports })
  broker = brokerFiles(PORTS.mqtt)
  await said(pair.peer.start(['mosquitto', '-c', broker.config]), 'running')
})
after(async () => {
  if (skip !== false) return
  await pair.cleanup()
  rmSync(broker.folder, { recursive: true, force: true })
})

/** The tunnel that came to an end since `before`, to this port. */
async function tunnelTo(port: number, before: ReadonlySet<string>): Promise<ToldSpan> {
  return await sidecar.span(
    (span) => span.name.startsWith('tunnel') && span.attributes['server.port'] === port && !before.has(span.spanId),
  )
}

const known = (): Set<string> => new Set(sidecar.spans().map(({ spanId }) => spanId))

/** Calls of this tunnel: they link to its span. */
const callsOf = (tunnel: ToldSpan): ToldSpan[] =>
  sidecar.spans().filter(({ links }) => links.some(({ spanId }) => spanId === tunnel.spanId))

const outline = ({ name, attributes }: ToldSpan): string =>
  attributes['error.type'] === undefined ? name : `${name} ! ${attributes['error.type']}`

test('first bytes of recorded clients and servers name the tunnel', { skip }, async () => {
  const cases = [
    ...CLIENTS.map((one) => ({ ...one, greets: false })),
    ...SERVERS.map((one) => ({ ...one, greets: true })),
  ]
  for (const { by, name, version, hex, greets } of cases.filter(({ name }) => name !== 'mqtt')) {
    const before = known()
    const server = pair.peer.start(local('talker', 'server', PORTS[name], ...(greets ? [hex] : [])))
    await server.line((line) => line === 'listening')
    const { stdout } = pair.pod.exec(
      local('talker', 'client', pair.peer.v4, PORTS[name], ...(greets ? [] : [hex])),
      APP,
    )
    assert.equal(stdout, 'closed\n', by)
    const { attributes } = await tunnelTo(PORTS[name], before)
    assert.equal(attributes['network.protocol.name'], name, by)
    assert.equal(attributes['network.protocol.version'] ?? '', version, by)
    assert.match(String(attributes['hopscope.tunnel.protocol']), new RegExp(`^${name}`), by)
    assert.equal(attributes['hopscope.tunnel.gave_up'], undefined, by)
    await server.stop()
  }
})

test('the port decides nothing, and what is not known is not named', { skip }, async () => {
  const before = known()
  const server = pair.peer.start(local('talker', 'server', PORTS.redis))
  await server.line((line) => line === 'listening')
  pair.pod.exec(
    local('talker', 'client', pair.peer.v4, PORTS.redis, Buffer.from('\x01\x02 what?').toString('hex')),
    APP,
  )
  assert.equal((await tunnelTo(PORTS.redis, before)).attributes['network.protocol.name'], undefined)
  await server.stop()
})

test('redis-cli and redis-server', { skip: missing('redis-server') || missing('redis-cli') }, async () => {
  const before = known()
  const options = ['--port', String(PORTS.redis), '--save', '', '--protected-mode', 'no', '--bind', '*', '-::*']
  const server = pair.peer.start(['redis-server', ...options])
  await server.line((line) => line.includes('Ready to accept'))
  const cli = (...args: string[]): string =>
    pair.pod.exec(['redis-cli', '-h', pair.peer.v6, '-p', String(PORTS.redis), ...args], APP).stdout
  assert.equal(cli('SET', 'key', 'value'), 'OK\n')
  const { attributes } = await tunnelTo(PORTS.redis, before)
  assert.equal(attributes['network.protocol.name'], 'redis')
  assert.equal(attributes['network.peer.address'], pair.peer.v6)
  await server.stop()
})

for (const version of ['mqttv311', 'mqttv5']) {
  test(`${version}: publisher and subscriber on either side of the sidecar`, { skip }, async () => {
    const before = known()
    const common = ['-h', pair.peer.v4, '-V', version, '-u', 'app', '-P', 'secret']
    const subscriber = pair.pod.start(['mosquitto_sub', ...common, '-t', 'open/a', '-q', '1', '-C', '1'], APP)
    await sidecar.span(({ name, spanId }) => name === 'MQTT SUBSCRIBE' && !before.has(spanId))
    const between = known()
    const sent = pair.pod.exec(['mosquitto_pub', ...common, '-t', 'open/a', '-q', '2', '-m', 'hello'], APP)
    assert.equal(sent.status, 0, sent.stderr)
    await subscriber.line((line) => line === 'hello')

    // The publisher's connection was dialled last and ends first.
    const publisher = await sidecar.span(
      (span) => span.attributes['hopscope.tunnel.calls'] === 2 && !between.has(span.spanId),
    )
    assert.equal(publisher.attributes['network.protocol.version'], version === 'mqttv5' ? '5.0' : '3.1.1')
    assert.equal(publisher.attributes['hopscope.tunnel.closing'], 'client: normal')
    const calls = callsOf(publisher)
    assert.deepEqual(calls.map(outline), ['MQTT CONNECT', 'MQTT PUBLISH'])
    const [connect, publish] = calls
    assert.deepEqual([connect?.kind, publish?.kind], ['client', 'client'])
    assert.notEqual(publish?.traceId, connect?.traceId, 'each has a trace of its own')
    assert.equal(publish?.attributes['messaging.destination.name'], 'open/a')
    assert.equal(publish?.attributes['server.port'], PORTS.mqtt)
    assert.equal(publish?.attributes['hopscope.direction'], 'outbound')
    assert.ok(publish!.durationUs > 0 && publish!.durationUs < publisher.durationUs)

    const delivered = await sidecar.span(
      ({ name, kind, spanId }) => name === 'MQTT PUBLISH' && kind === 'server' && !between.has(spanId),
    )
    assert.equal(delivered.attributes['messaging.destination.name'], 'open/a')
  })
}

test('MQTT: a refused log-in is an error in span, log and metrics', { skip }, async () => {
  const before = known()
  const args = ['-h', pair.peer.v4, '-V', 'mqttv5', '-u', 'app', '-P', 'wrong', '-t', 'open/a', '-m', 'x']
  assert.notEqual(pair.pod.exec(['mosquitto_pub', ...args], APP).status, 0)
  // The subscriber's tunnel of a test before may end only now.
  const tunnel = await sidecar.span(
    (span) => span.attributes['hopscope.tunnel.failed_calls'] === 1 && !before.has(span.spanId),
  )
  assert.equal(tunnel.attributes['server.port'], PORTS.mqtt)
  assert.deepEqual(callsOf(tunnel).map(outline), ['MQTT CONNECT ! not_authorized'])
  await sidecar.process.line((line) => line.includes('"msg":"call"') && line.includes('not_authorized'))
  await sidecar.process.line((line) => line.includes('"msg":"tunnel"') && line.includes('"protocol":"mqtt 5.0"'))
  const scrape = `fetch('http://127.0.0.1:9090/metrics').then(async (r) => console.log(await r.text()))`
  const metrics = pair.pod.exec([process.execPath, '-e', scrape]).stdout
  assert.match(metrics, /hopscope_opaque_connections_total\{protocol="mqtt"\} [1-9]/)
  assert.match(
    metrics,
    /hopscope_opaque_call_duration_seconds_count\{protocol="mqtt",operation="CONNECT",outcome="error"\} 1/,
  )
})

for (const form of FORMS) {
  test(`Thrift, ${form}: calls of the app beside the sidecar, and calls to it`, { skip }, async () => {
    for (const [from, to, kind, direction] of [
      [pair.pod, pair.peer, 'client', 'outbound'],
      [pair.peer, pair.pod, 'server', 'inbound'],
    ] as const) {
      const before = known()
      const server = to.start(local('thrift-program', 'server', form, PORTS.thrift), APP)
      await server.line((line) => line === 'listening')
      const { stdout, stderr } = from.exec(local('thrift-program', 'client', form, to.v4, PORTS.thrift, 50_000), APP)
      assert.match(stdout, /^add 5\n/, stderr)
      const tunnel = await tunnelTo(PORTS.thrift, before)
      assert.equal(tunnel.attributes['hopscope.tunnel.protocol'], `thrift ${form}`)
      assert.equal(tunnel.attributes['hopscope.direction'], direction)
      await eventually('calls', () => callsOf(tunnel).length === 12)
      const calls = callsOf(tunnel)
      assert.deepEqual(new Set(calls.map((call) => call.kind)), new Set([kind]))
      assert.deepEqual(calls.filter(({ attributes }) => attributes['error.type'] !== undefined).map(outline), [
        'divide ! declared_exception',
        'crash ! internal_error',
        'thrift call ! unknown_method',
        'ignored ! no_reply',
      ])
      await server.stop()
    }
  })
}

test('a connection that leaves its protocol goes on untouched, and says that it was given up', { skip }, async () => {
  const before = known()
  const server = pair.peer.start(local('talker', 'server', PORTS.unknown))
  await server.line((line) => line === 'listening')
  const bytes = `102500064d51497364700302003c00176d6f73712d6b5050646b544c5537506b30743041474e58${'00'.repeat(5000)}`
  pair.pod.exec(local('talker', 'client', pair.peer.v4, PORTS.unknown, bytes), APP)
  const { attributes } = await tunnelTo(PORTS.unknown, before)
  assert.equal(attributes['hopscope.tunnel.protocol'], 'mqtt 3.1; gave up')
  assert.equal(attributes['hopscope.tunnel.gave_up'], 'unexpected bytes from the client')
  assert.equal(attributes['hopscope.tunnel.bytes_from_client'], bytes.length / 2)
})
