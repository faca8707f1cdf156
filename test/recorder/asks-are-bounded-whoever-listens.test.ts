/** A collector that is not ours, one that hangs, and a storm of failures: neither traffic nor telemetry is in trouble. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { framed } from '../../src/aggregator/recorder/frames.ts'
import { newTraceId } from '../../src/core/ids.ts'
import { silentLogger } from '../../src/core/log.ts'
import { readTraces, WATCH_PATH, writeTraces } from '../../src/core/recorder-protocol.ts'
import { createTelemetry, type Telemetry } from '../../src/telemetry/telemetry.ts'
import { running, until } from '../aggregator/running.ts'
import { accountedFor, connection, finishedExchange } from '../telemetry/finished-exchange.ts'

interface Receiver {
  readonly port: number
  readonly watches: ServerHttp2Stream[]
  watchedBytes: number
}

/** Takes spans; what it does with a call of the recorder is `onWatch`. */
async function receiver(t: TestContext, onWatch: (stream: ServerHttp2Stream) => void): Promise<Receiver> {
  const server = createServer()
  const sessions = new Set<{ destroy(): void }>()
  server.on('session', (session) => sessions.add(session))
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    if (headers[':path'] === WATCH_PATH) {
      found.watches.push(stream)
      stream.on('data', (chunk: Buffer) => {
        found.watchedBytes += chunk.length
      })
      onWatch(stream)
      return
    }
    stream.resume().once('end', () => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
      stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
      stream.end(framed(Buffer.alloc(0)))
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  const found: Receiver = { port: (server.address() as AddressInfo).port, watches: [], watchedBytes: 0 }
  return found
}

function sending(port: number): Telemetry {
  const otlp = { endpoint: `http://127.0.0.1:${port}` }
  return createTelemetry({ resource: {}, version: '0', logger: silentLogger, scheduleMs: 20, otlp })
}

const failures = (telemetry: Telemetry, count: number): void => {
  const at = connection('edge')
  for (let i = 0; i < count; i++) telemetry.onFinish(finishedExchange({ connection: at, status: 503, sampled: false }))
}

const unsampled = (count: number): ReturnType<typeof finishedExchange>[] =>
  Array.from({ length: count }, () => {
    const x = finishedExchange({ status: 503, sampled: false })
    x.trace!.flags = 0
    return x
  })

test('a collector that does not know the service is asked once, and takes spans as ever', async (t) => {
  const foreign = await receiver(t, (stream) => {
    const trailers = { 'grpc-status': '12', 'grpc-message': 'unknown service' }
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...trailers }, { endStream: true })
  })
  const telemetry = sending(foreign.port)
  failures(telemetry, 3)
  await until('they are exported', () => telemetry.counters().exported === 3)
  for (const x of unsampled(3)) telemetry.onFinish(x)
  await until('these too', () => telemetry.counters().exported === 6)
  // The first wait after any other failure is a second and a bit.
  await new Promise((resolve) => setTimeout(resolve, 1400))
  assert.equal(foreign.watches.length, 1)
  await telemetry.close(1000)
  assert.equal(accountedFor(telemetry.counters()), 6)
})

test('a storm of failures before a collector that hangs is recorded by the dozen', async (t) => {
  const hanging = await receiver(t, () => {})
  const telemetry = sending(hanging.port)
  const storm = unsampled(3000)
  for (const x of storm) telemetry.onFinish(x)
  await until('all are exported', () => telemetry.counters().exported === 3000)
  const { traces, spared, asked, spans, faults } = telemetry.counters().recorder
  // Twice tracesPerSecond at once, and what was added while they were read.
  assert.ok(traces >= 20 && traces < 200, `${traces} traces`)
  assert.deepEqual({ all: traces + spared, spans, faults }, { all: 3000, spans: 0, faults: 0 })
  assert.ok(asked <= traces)
  await until('it was told', () => hanging.watchedBytes > 0)
  assert.ok(hanging.watchedBytes <= 200 * 20, `${hanging.watchedBytes} bytes`)
  const begun = performance.now()
  await telemetry.close(1000)
  assert.ok(performance.now() - begun < 1500, 'it ends in time')
})

interface Watcher {
  readonly got: string[]
  status: string
  send(traceIds: readonly string[] | Buffer): void
}

test('the aggregator passes on each trace once, so many a second, and nothing that is none', async (t) => {
  const aggregator = await running({ bearerToken: 'let-me-in' })
  const session = connect(`http://127.0.0.1:${aggregator.grpcPort}`)
  t.after(async () => {
    session.destroy()
    await aggregator.end()
  })
  const watch = (token = 'let-me-in'): Watcher => {
    const headers = { ':method': 'POST', ':path': WATCH_PATH, 'content-type': 'application/grpc', te: 'trailers' }
    const stream = session.request({ ...headers, authorization: `Bearer ${token}` })
    const seen = (found: Record<string, unknown>): void => {
      if (typeof found['grpc-status'] === 'string') watcher.status = found['grpc-status']
    }
    stream.on('response', seen).on('trailers', seen)
    stream.on('error', () => {})
    stream.on('data', (chunk: Buffer) => {
      for (let at = 0; at < chunk.length; at += 5 + chunk.readUInt32BE(at + 1)) {
        watcher.got.push(...readTraces(chunk.subarray(at + 5, at + 5 + chunk.readUInt32BE(at + 1)))!)
      }
    })
    const watcher: Watcher = {
      got: [],
      status: '',
      send: (given) => stream.write(Buffer.isBuffer(given) ? given : framed(writeTraces(given))),
    }
    return watcher
  }
  const [one, other] = [watch(), watch()]
  const wanted = newTraceId()
  one.send([wanted, wanted])
  await until('the other is asked', () => other.got.length === 1)
  other.send([wanted])
  const flood = Array.from({ length: 250 }, newTraceId)
  one.send(flood)
  await until('some of the flood came', () => other.got.length > 50)
  const late = watch()
  await until('who comes late is asked for the latest', () => late.got.includes(wanted))
  assert.ok(other.got.length <= 110, `${other.got.length} of 251`)
  assert.equal(new Set(other.got).size, other.got.length, 'none twice')

  const stranger = watch('by-guess')
  await until('it is refused', () => stranger.status === '16')
  for (const nonsense of [
    framed(Buffer.from('no traces')),
    Buffer.from([0, 255, 255, 255, 255, 0]),
    Buffer.from('GET /'),
  ]) {
    const confused = watch()
    confused.send(nonsense)
    await until('it is told so', () => confused.status === '3')
  }
  one.send([newTraceId()])
  assert.equal(one.status, '', 'others go on')
})
