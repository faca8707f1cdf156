/** Finished exchanges as the driver leaves them, with the parts a test cares about. */
import { nowUs } from '../../src/core/clock.ts'
import { HeaderBlock } from '../../src/core/headers.ts'
import { newSpanId, newTraceId } from '../../src/core/ids.ts'
import { knownId } from '../../src/core/known-names.ts'
import { RequestHead, ResponseHead } from '../../src/core/message.ts'
import type { ConnectionInfo, Direction, Endpoint } from '../../src/exchange/exchange.ts'
import { Exchange } from '../../src/exchange/exchange.ts'
import type { Downstream } from '../../src/exchange/ports.ts'
import type { ExporterCounts } from '../../src/telemetry/counters.ts'

let connections = 0

export function connection(direction: Direction = 'inbound', destination?: Endpoint): ConnectionInfo {
  const id = ++connections
  return {
    id,
    direction,
    peer: { address: '192.0.2.7', port: 40_000 + (id % 20_000) },
    local: { address: '198.51.100.1', port: 80 },
    originalDestination: destination,
    scheme: 'http',
    fd: -1,
    affinity: undefined,
    exchanges: 0,
  } as ConnectionInfo
}

const unused = (): never => {
  throw new Error('telemetry does not touch the wire')
}
const downstream = new Proxy({}, { get: unused }) as Downstream

export interface Parts {
  readonly connection?: ConnectionInfo
  readonly method?: string
  readonly path?: string
  readonly host?: string
  readonly userAgent?: string
  readonly status?: number
  readonly sampled?: boolean
  readonly requestId?: string
  readonly durationUs?: number
}

/** An exchange that took `durationUs` on a reused connection: queue 10, send 20, wait the most, receive 30. */
export function finishedExchange(parts: Parts = {}): Exchange {
  const request = new RequestHead()
  request.method = parts.method ?? 'GET'
  request.path = parts.path ?? '/orders/7'
  request.target = request.path
  request.host = parts.host ?? 'shop.example:8080'
  const agent = parts.userAgent ?? 'test/1.0'
  if (agent !== '') {
    request.headers.push(0, 10, 12, 12 + agent.length, knownId('user-agent'), true)
    request.headers.seal(`user-agent: ${agent}\r\n`)
  }
  const x = new Exchange(parts.connection ?? connection(), request, downstream)
  x.requestId = parts.requestId ?? 'req-1'
  x.trace = { traceId: newTraceId(), spanId: newSpanId(), parentSpanId: newSpanId(), flags: 1, state: '' }
  x.sampled = parts.sampled ?? true
  x.attempts = 1
  x.upstreamPeer = { address: '203.0.113.9', port: 9000 }
  x.upstreamReused = true
  const status = parts.status ?? 200
  if (status > 0) {
    x.response = new ResponseHead()
    x.response.status = status
    x.response.headers = new HeaderBlock(1)
  }
  const duration = parts.durationUs ?? 5000
  const { timing } = x
  timing.finishUs = nowUs()
  timing.startUs = timing.finishUs - duration
  timing.firstByteUs = timing.startUs - 15
  timing.queuedUs = timing.startUs + 100
  timing.sendUs = timing.queuedUs + 10
  timing.sentUs = timing.sendUs + 20
  timing.responseUs = timing.finishUs - 50
  timing.receivedUs = timing.responseUs + 30
  return x
}

/** The promise of the counters: every recorded span is exported, dropped, queued or in the ring. */
export function accountedFor(counts: ExporterCounts): number {
  const dropped = Object.values(counts.dropped).reduce((sum, count) => sum + count, 0)
  return counts.exported + dropped + counts.queued + counts.inRing
}
