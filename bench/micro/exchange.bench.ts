/**
 * One exchange through everything but the sockets: head read, stages, head written, answer read, answer written. Both
 * wires are stand-ins, since what is measured is what this program does between two system calls.
 */
import { Sweeper } from '../../src/core/timers.ts'
import { compileStages } from '../../src/exchange/compile.ts'
import { Driver } from '../../src/exchange/driver.ts'
import type { ConnectionInfo, Exchange } from '../../src/exchange/exchange.ts'
import type { Stage } from '../../src/exchange/stage.ts'
import { failureTrailers } from '../../src/http/grpc-answer.ts'
import { rescue } from '../../src/http/rescue.ts'
import { Http1Server } from '../../src/http/server-http1.ts'
import type { Wire, WireHandler } from '../../src/net/wire.ts'
import { stack } from '../../src/stages/stack.ts'
import type { Destination, DialOptions } from '../../src/upstream/dial.ts'
import { Http1Upstream } from '../../src/upstream/http1-upstream.ts'
import { NameResolver } from '../../src/upstream/resolver.ts'
import { REQUEST_HEADERS } from '../workloads.ts'
import type { MicroBench } from './harness.ts'

/** Takes everything at once and remembers how much. */
class Sink {
  handler: WireHandler | undefined
  bytesRead = 0
  bytesWritten = 0
  readonly closed = false
  readonly ended = false
  readonly full = false
  readonly pendingBytes = 0
  readonly queuedBytes = 0
  readonly takenMark = 0
  readonly fd = -1
  readonly tls = undefined
  readonly socket = { destroyed: false, remoteAddress: '127.0.0.1', remotePort: 1, isPaused: () => false }

  writeText(text: string): void {
    this.bytesWritten += text.length
  }

  writeFramed(before: string, _buf: Buffer, start: number, end: number, after: string): void {
    this.bytesWritten += before.length + end - start + after.length
  }

  pause(): void {}
  resume(): void {}
  finish(): void {}
  destroy(): void {}
  reset(): void {}
}

const limits = {
  headBytes: 65_536,
  headFields: 200,
  requestLineBytes: 16_384,
  connectionBufferBytes: 65_536,
  chunkExtensionBytes: 4096,
}
const timeouts = {
  headMs: 10_000,
  bodyIdleMs: 60_000,
  slowReaderMs: 300_000,
  idleMs: 75_000,
  exchangeMs: 0,
  firstByteMs: 0,
  upstreamHeadMs: 10_000,
  responseIdleMs: 300_000,
  dnsMs: 5000,
  connectMs: 5000,
  tlsMs: 10_000,
}
const destination: Destination = { host: '127.0.0.1', port: 80, tls: false }
const observer: Stage = {
  name: 'sum',
  role: 'observe',
  onFinish(x: Exchange) {
    finished += x.durationUs
    return undefined
  },
}
let finished = 0

/** A driver with the stages of a reverse proxy, or none. */
function path(stages: readonly Stage[]): () => number {
  const sweeper = new Sweeper()
  const dial: DialOptions = { resolver: new NameResolver(), timeouts, highWater: 65_536 }
  const upstream = new Http1Upstream({
    ...dial,
    reuse: 'client',
    destinationOf: () => destination,
    noSharedProtocol: () => false,
    connection: { limits, timeouts, sweeper, idleMs: 3_600_000 },
    maxConnections: 10,
    maxPending: 10,
  })
  const none = (): void => {}
  const log = { debug: none, info: none, warn: none, error: none }
  const driver = new Driver({
    stages: compileStages(stages),
    upstream,
    rescue,
    failureTrailers,
    log,
    sweeper,
    detachedMs: 0,
  })
  const draining = (): boolean => false
  const [client, server] = [new Sink(), new Sink()]
  const info: ConnectionInfo = {
    id: 1,
    direction: 'edge',
    peer: { address: '127.0.0.1', port: 1 },
    local: { address: '127.0.0.1', port: 2 },
    originalDestination: undefined,
    scheme: 'http',
    fd: -1,
    affinity: undefined,
    exchanges: 0,
    tcpReadUs: 0,
  } as ConnectionInfo
  const options = { driver, limits, timeouts, sweeper, connectMode: 'refuse', draining } as const
  const codec = new Http1Server(client as unknown as Wire, info, options, none)
  upstream.adopt(info, destination, server as unknown as Wire)
  const head = REQUEST_HEADERS.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  // Both in one buffer, as all reads of a process are.
  const request = Buffer.from(`GET /small HTTP/1.1\r\nHost: shop.example.com\r\n${head}\r\n`)
  const fields = 'Server: origin\r\nDate: Sat, 21 Nov 2026 10:00:00 GMT\r\nContent-Type: application/json\r\n'
  const answer = Buffer.from(`HTTP/1.1 200 OK\r\n${fields}Content-Length: 100\r\n\r\n${'x'.repeat(100)}`)
  const buffer = Buffer.concat([request, answer])
  return () => {
    codec.onBytes(buffer, 0, request.length)
    server.handler!.onBytes(buffer, request.length, buffer.length)
    return client.bytesWritten + finished
  }
}

const proxy = stack({
  grpc: { sweeper: new Sweeper(), expire: () => {} },
  tls: { required: false, checkAuthority: false, allowedIdentities: undefined },
  stripAltSvc: false,
  trace: { sample: () => true, b3: 'auto', maySendTo: undefined },
  idempotency: undefined,
  forwarded: 'append',
  serverTiming: false,
  userStages: [],
  observers: [observer],
})

export const benches: readonly MicroBench[] = [
  { name: 'without stages', run: path([]) },
  { name: 'with those of a reverse proxy', run: path(proxy) },
]
