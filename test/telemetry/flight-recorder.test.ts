import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nowUs } from '../../src/core/clock.ts'
import { ProxyError } from '../../src/core/errors.ts'
import { silentLogger } from '../../src/core/log.ts'
import { createTelemetry } from '../../src/telemetry/telemetry.ts'
import { connection, finishedExchange } from './finished-exchange.ts'

const create = (more = {}) => createTelemetry({ resource: {}, version: '0.0.1', logger: silentLogger, ...more })

test('the last exchanges are there in full, newest first, also those that are not sampled', () => {
  const telemetry = create()
  const at = connection('edge')
  telemetry.onFinish(finishedExchange({ connection: at, path: '/1', sampled: false }))
  telemetry.onFinish(finishedExchange({ connection: at, path: '/2?password=x', sampled: false, userAgent: 'other/2' }))
  const [newest, older] = telemetry.recorder.read()
  assert.ok(newest?.kind === 'exchange' && older?.kind === 'exchange')
  assert.equal(newest.path, '/2?password=REDACTED')
  assert.equal(newest.userAgent, 'other/2')
  assert.equal(older.path, '/1')
  assert.equal(older.direction, 'edge')
  assert.deepEqual(older.client, at.peer)
  assert.deepEqual(older.upstream, { address: '203.0.113.9', port: 9000 })
  assert.deepEqual(older.phasesUs, { queue: 10, send: 20, wait: 4820, receive: 30 })
  assert.equal(telemetry.recorder.read({ limit: 1 }).length, 1)
})

test('targets that are no paths have lost user name and password', () => {
  const telemetry = create()
  const targets = [
    'http://a:pw@shop.example/x?y=@',
    'a:p@w@shop.example:443',
    'http://a:pw@shop.example',
    '*',
    '/a:b@c',
  ]
  for (const path of targets) telemetry.onFinish(finishedExchange({ path }))
  assert.deepEqual(
    telemetry.recorder.read().map((view) => view.kind === 'exchange' && view.path),
    ['/a:b@c', '*', 'http://shop.example', 'shop.example:443', 'http://shop.example/x?y=@'],
  )
})

test('a tunnel has its time, as an exchange does', () => {
  const telemetry = create()
  telemetry.recordTunnel({
    ...{ connection: connection(), trace: undefined, sampled: false, reason: 'tls', destination: undefined },
    ...{
      startUs: nowUs() - 1000,
      endUs: nowUs(),
      bytesFromClient: 1,
      bytesToClient: 1,
      serverName: '',
      alpnOffered: '',
    },
    ...{ connectUs: -1, tlsHandshakeUs: -1, error: undefined },
  })
  const [tunnel] = telemetry.recorder.read()
  assert.ok(tunnel?.kind === 'tunnel')
  assert.ok(Math.abs(Date.parse(tunnel.time) - Date.now()) < 5000, tunnel.time)
  assert.ok(Math.abs(tunnel.startUs / 1000 - Date.now()) < 5000)
  assert.ok(tunnel.endUs >= tunnel.startUs + 1000 && tunnel.endUs < tunnel.startUs + 1e6)
})

test('a flood of good exchanges pushes out good ones, not failed and slow ones, whose client is still known', () => {
  const telemetry = create({ ringBytes: 65_536, slowMs: 500 })
  const at = connection()
  const failed = finishedExchange({ connection: at, path: '/failed', status: 502, requestId: 'bad-1' })
  failed.error = new ProxyError('connection_refused', 'connect', 'nothing listens', { errno: 'ECONNREFUSED' })
  telemetry.onFinish(failed)
  telemetry.onFinish(finishedExchange({ path: '/slow', durationUs: 900_000 }))
  for (let i = 0; i < 5000; i++) telemetry.onFinish(finishedExchange({ connection: at, path: `/${i}` }))
  const recent = telemetry.recorder.read({ limit: 1000 })
  assert.ok(recent.length > 50 && recent.length < 1000, `${recent.length} recent ones`)
  assert.ok(recent.every((view) => view.kind === 'exchange' && view.client?.port === at.peer.port))
  const [slow, bad] = telemetry.recorder.read({ failed: true })
  assert.ok(slow?.kind === 'exchange' && bad?.kind === 'exchange')
  assert.equal(slow.path, '/slow')
  assert.equal(bad.path, '/failed')
  assert.equal(bad.client?.port, at.peer.port)
  assert.deepEqual(bad.error, {
    code: 'connection_refused',
    phase: 'connect',
    source: 'upstream',
    errno: 'ECONNREFUSED',
    detail: 'nothing listens',
    bytesSent: undefined,
    connectionAgeUs: undefined,
  })
  assert.equal(telemetry.recorder.read({ failed: true, id: 'bad-1' }).length, 1)
})
