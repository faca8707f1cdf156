import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ProxyError } from '../../src/core/errors.ts'
import { silentLogger } from '../../src/core/log.ts'
import { type AccessLogMode, createTelemetry } from '../../src/telemetry/telemetry.ts'
import { finishedExchange } from './finished-exchange.ts'

type Line = Readonly<Record<string, unknown>> & { error?: Record<string, unknown>; path?: string }

/** Lines that the log has after three exchanges (good, 404, failed with a secret in its query), none of them sampled. */
async function lines(mode: AccessLogMode, turnTo?: AccessLogMode): Promise<Line[]> {
  const dir = mkdtempSync(join(tmpdir(), 'hopscope-log-'))
  const fd = openSync(join(dir, 'log'), 'a')
  const options = { resource: {}, version: '0.0.1', logger: silentLogger, scheduleMs: 10 }
  const telemetry = createTelemetry({ ...options, accessLog: mode, accessLogFd: fd })
  if (turnTo !== undefined) telemetry.setAccessLog(turnTo)
  telemetry.onFinish(finishedExchange({ sampled: false, path: '/good' }))
  telemetry.onFinish(finishedExchange({ sampled: false, path: '/missing', status: 404 }))
  const failed = finishedExchange({ sampled: false, path: '/failed?token=hush', status: 502 })
  failed.error = new ProxyError('upstream_reset', 'wait', '', { errno: 'ECONNRESET' })
  telemetry.onFinish(failed)
  await telemetry.close(2000)
  const text = readFileSync(join(dir, 'log'), 'utf8')
  closeSync(fd)
  rmSync(dir, { recursive: true })
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line)
}

test('lines behind a write that is under way are written too before the end; a CONNECT has no path', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'hopscope-log-'))
  const fd = openSync(join(dir, 'log'), 'a')
  const options = { resource: {}, version: '0.0.1', logger: silentLogger }
  const telemetry = createTelemetry({ ...options, accessLog: 'all', accessLogFd: fd })
  telemetry.onFinish(finishedExchange({ method: 'CONNECT', path: 'other.example:443' }))
  for (let i = 1; i < 20; i++) telemetry.onFinish(finishedExchange({ path: `/${i}` }))
  await telemetry.close(2000)
  const written = readFileSync(join(dir, 'log'), 'utf8').split('\n')
  assert.equal(written.length - 1, 20)
  const connect = JSON.parse(written[0]!) as Line
  assert.deepEqual([connect.method, connect.host, connect.path], ['CONNECT', 'other.example:443', undefined])
  closeSync(fd)
  rmSync(dir, { recursive: true })
})

test('all: a line for each exchange, sampled or not', async () => {
  const all = await lines('all')
  assert.deepEqual(
    all.map((line) => [line.path, line.status]),
    [
      ['/good', 200],
      ['/missing', 404],
      ['/failed?token=REDACTED', 502],
    ],
  )
  assert.equal(all[0]!.level, 'info')
  assert.equal(all[0]!.requestId, 'req-1')
  assert.equal(all[0]!.durationUs, 5000)
  assert.equal(all[2]!.level, 'error')
  assert.equal(all[2]!.error!.code, 'upstream_reset')
})

test('errors: failed exchanges only; off: none; the mode can be changed', async () => {
  assert.deepEqual(
    (await lines('errors')).map((line) => line.status),
    [502],
  )
  assert.deepEqual(await lines('off'), [])
  assert.equal((await lines('off', 'all')).length, 3)
})

test('a tunnel that the upstream failed is an error as an exchange is, its times in whole microseconds', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'hopscope-log-'))
  const fd = openSync(join(dir, 'log'), 'a')
  const options = { resource: {}, version: '0.0.1', logger: silentLogger }
  const telemetry = createTelemetry({ ...options, accessLog: 'all', accessLogFd: fd })
  const { connection } = finishedExchange({})
  const tunnel = {
    ...{ connection, trace: undefined, sampled: false, reason: 'tls', destination: undefined, startUs: 0, endUs: 10.5 },
    ...{
      bytesFromClient: 0,
      bytesToClient: 0,
      serverName: '',
      alpnOffered: '',
      connectUs: 70.123,
      tlsHandshakeUs: 9.75,
    },
  }
  for (const code of [undefined, 'connection_refused', 'client_closed'] as const) {
    telemetry.recordTunnel({ ...tunnel, error: code && new ProxyError(code, 'connect') })
  }
  await telemetry.close(2000)
  const written = readFileSync(join(dir, 'log'), 'utf8').trimEnd().split('\n')
  const lines = written.map((line) => JSON.parse(line) as Line)
  assert.deepEqual(
    lines.map((line) => [line.level, line.errorCode, line.errorSource, line.connectUs, line.tlsHandshakeUs]),
    [
      ['info', '', '', 70, 10],
      ['error', 'connection_refused', 'upstream', 70, 10],
      ['info', 'client_closed', 'downstream', 70, 10],
    ],
  )
  closeSync(fd)
  rmSync(dir, { recursive: true })
})
