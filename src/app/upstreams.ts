/** Puts the upstream side together: both codecs, their pools, and the choice between them. */
import type { Config } from '../config/schema.ts'
import { RPC_GRPC, RPC_NONE } from '../core/grpc.ts'
import type { Sweeper } from '../core/timers.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { Destination, DialOptions } from '../upstream/dial.ts'
import type { DispatchRoute } from '../upstream/dispatch-route.ts'
import { Http1Upstream } from '../upstream/http1-upstream.ts'
import { Http2Upstream } from '../upstream/http2-upstream.ts'
import { UndiciUpstream } from '../upstream/undici-upstream.ts'
import { type UpstreamProtocol, Upstreams } from '../upstream/upstreams.ts'
import type { Placement } from './data-plane.ts'

/** Both codecs towards the upstream, and the choice between them. */
export function upstreams(
  config: Config,
  placement: Placement,
  dial: DialOptions,
  timeouts: Config['timeouts'],
  sweeper: Sweeper,
  route: DispatchRoute | undefined,
): Upstreams {
  const { limits, http2, upstream } = config
  const destinationOf = (x: Exchange): Destination => placement.destinationOf(x.connection)
  const common = {
    ...dial,
    destinationOf,
    maxConnections: upstream.maxConnections,
    maxPending: upstream.maxPending,
  }
  const { maxPending } = upstream
  const made = new Upstreams({
    dispatched:
      route && new UndiciUpstream({ route, limits, timeouts, sweeper, highWater: dial.highWater, maxPending }),
    dial,
    destinationOf,
    maxPending: upstream.maxPending,
    http1: new Http1Upstream({
      ...common,
      noSharedProtocol: (x, destination) => made.forget(x, destination, 'http1'),
      reuse: upstream.reuse,
      connection: { limits, timeouts, sweeper, idleMs: upstream.idleMs },
    }),
    http2: new Http2Upstream({
      ...common,
      noSharedProtocol: (x, destination) => made.forget(x, destination, 'h2'),
      alpn: ['h2'],
      perClient: upstream.reuse === 'client',
      connection: {
        limits: { ...limits, maxStreams: http2.maxStreams, streamWindowBytes: http2.windowBytes },
        timeouts,
        sweeper,
        idleMs: http2.idleMs,
        pingMs: http2.pingMs,
      },
    }),
    protocolOf: protocolChoice(config, placement),
  })
  return made
}

/**
 * In clear text nothing is negotiated: a reverse proxy is told, a sidecar speaks what the client spoke to its peer, and gRPC
 * has HTTP/2 alone.
 */
function protocolChoice(
  { upstream, grpc }: Config,
  placement: Placement,
): (x: Exchange, destination: Destination) => UpstreamProtocol | 'negotiate' {
  const { protocol } = upstream
  if (protocol !== 'auto') return () => protocol
  const translates = grpc.web === 'translate'
  return (x, { tls }) => {
    if (tls) return 'negotiate'
    if (x.rpc === RPC_GRPC || (translates && x.rpc !== RPC_NONE)) return 'h2'
    return placement.keepsProtocol && x.request.version === 20 ? 'h2' : 'http1'
  }
}
