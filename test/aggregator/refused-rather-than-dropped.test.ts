import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { HotSegment } from '../../src/aggregator/intake/hot-segment.ts'
import { Intake, type Intook } from '../../src/aggregator/intake/intake.ts'
import { Names } from '../../src/aggregator/intake/names.ts'
import { startGrpcServer } from '../../src/aggregator/receive/grpc-server.ts'
import { startHttpServer } from '../../src/aggregator/receive/http-server.ts'
import { Receiver } from '../../src/aggregator/receive/receiver.ts'
import { silentLogger } from '../../src/core/log.ts'
import { readFields } from '../../src/core/protobuf.ts'
import { requestOf, send } from './otlp-messages.ts'
import { rawSpan } from './raw-spans.ts'
import { until } from './running.ts'

let next = 1
/** A request of about a mebibyte, so that few fill a segment. */
function large(): Buffer {
  const attributes = { text: 'x'.repeat(1000) }
  const trace = (next++).toString(16)
  return requestOf(Array.from({ length: 1000 }, (_, i) => rawSpan({ trace, span: (i + 1).toString(16), attributes })))
}

function intake(folder: string, sealed: HotSegment[]): Intake {
  return new Intake({
    ...{ walFolder: join(folder, 'wal'), sync: 'never', names: new Names(), log: silentLogger, segments: 2 },
    ...{ sealMs: 60_000, storedBelow: 0, onSealed: (segment: HotSegment) => sealed.push(segment) },
  })
}

async function fill(into: Intake): Promise<Intook> {
  for (let i = 0; i < 60; i++) {
    const intook = await into.accept([large()])
    if (intook.kind !== 'accepted') return intook
  }
  return assert.fail('it never filled up')
}

test('with every segment waiting for the store, requests are refused, and taken again when one is stored', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hopscope-test-'))
  const sealed: HotSegment[] = []
  const it = intake(folder, sealed)
  it.recover()
  const refused = await fill(it)
  assert.equal(refused.kind, 'refused')
  assert.match(refused.kind === 'refused' ? refused.reason : '', /the store is behind/)
  await until('both are sealed', () => sealed.length === 2)

  const receiver = new Receiver({ intake: it, maxInFlightBytes: 64e6, bearerToken: undefined })
  const address = { host: '127.0.0.1', port: 0, receiver }
  const grpc = await startGrpcServer({ ...address, maxConnectionAgeMs: 0 })
  const http = await startHttpServer(address)
  const error = await send(grpc.port, large()).then(
    () => assert.fail('it was taken'),
    (failure) => failure,
  )
  assert.equal(error.code, 14)
  const details = Buffer.from(error.metadata.get('grpc-status-details-bin')[0])
  const any = [...readFields(details)].find(({ number }) => number === 3)!
  const [type] = readFields(any.bytes)
  assert.equal(Buffer.from(type!.bytes).toString(), 'type.googleapis.com/google.rpc.RetryInfo')
  const answer = await fetch(`http://127.0.0.1:${http.port}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-protobuf' },
    body: new Uint8Array(large()),
  })
  assert.deepEqual([answer.status, answer.headers.get('retry-after')], [503, '1'])

  it.stored(sealed[0]!)
  assert.deepEqual(await send(grpc.port, large()), Buffer.alloc(0))
  await grpc.close()
  await http.close()
  await it.close()
  rmSync(folder, { recursive: true, force: true })
})

test('what the write-ahead log cannot take is not acknowledged, and taken when it can again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hopscope-test-'))
  const sealed: HotSegment[] = []
  const it = intake(folder, sealed)
  it.recover()
  // A file where the folder should be: no segment can be made in it.
  rmSync(join(folder, 'wal'), { recursive: true })
  writeFileSync(join(folder, 'wal'), '')
  const request = requestOf([rawSpan({ trace: 'f1', span: '1' })])
  const refused = await it.accept([request])
  assert.equal(refused.kind, 'refused')
  assert.match(it.pressure ?? '', /cannot be written/)
  rmSync(join(folder, 'wal'))
  mkdirSync(join(folder, 'wal'))
  await until('it can write again', () => it.pressure === undefined)
  const again = await it.accept([request])
  assert.equal(again.kind, 'accepted')
  await it.close()
  assert.equal(
    sealed.reduce((sum, { rows, view }) => sum + rows - view.duplicate.slice(0, rows).reduce((a, b) => a + b, 0), 0),
    1,
  )
  rmSync(folder, { recursive: true, force: true })
})

test('bytes in flight are bounded over all connections', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hopscope-test-'))
  const it = intake(folder, [])
  it.recover()
  const receiver = new Receiver({ intake: it, maxInFlightBytes: 3_000_000, bearerToken: undefined })
  const grpc = await startGrpcServer({ host: '127.0.0.1', port: 0, receiver, maxConnectionAgeMs: 0 })
  const http = await startHttpServer({ host: '127.0.0.1', port: 0, receiver })
  // Calls that never end: they were let in while there was room, and count as they grow.
  const session = connect(`http://127.0.0.1:${grpc.port}`)
  const path = '/opentelemetry.proto.collector.trace.v1.TraceService/Export'
  const headers = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' }
  const statuses: unknown[] = []
  const streams = Array.from({ length: 5 }, () => {
    const stream = session.request(headers)
    stream.on('response', (answer) => statuses.push(answer['grpc-status']))
    stream.on('error', () => {})
    stream.write(Buffer.alloc(900_000))
    return stream
  })
  await until('some are refused', () => statuses.length > 0)
  assert.ok(receiver.inFlightBytes <= 3_000_000 + 65_536, `${receiver.inFlightBytes}`)
  assert.ok(statuses.every((status) => status === '8'))
  receiver.hold(3_000_000)
  await assert.rejects(send(grpc.port, large()), { code: 8, details: /in flight/ })
  const body = new Uint8Array(large())
  const type = { 'content-type': 'application/x-protobuf' }
  const answer = await fetch(`http://127.0.0.1:${http.port}/v1/traces`, { method: 'POST', headers: type, body })
  assert.deepEqual([answer.status, answer.headers.get('retry-after')], [429, '1'])
  receiver.hold(-3_000_000)
  for (const stream of streams) stream.close()
  session.close()
  await until('their bytes are free again', () => receiver.inFlightBytes === 0)
  assert.deepEqual(await send(grpc.port, large()), Buffer.alloc(0))
  await http.close()
  assert.equal(receiver.inFlightBytes, 0)
  await grpc.close()
  await it.close()
  rmSync(folder, { recursive: true, force: true })
})
