/** An exchange that left HTTP, from the client's side: both channels joined, and what the exchange is told of it. */
import { errnoOf, ProxyError } from '../core/errors.ts'
import type { RequestHead } from '../core/message.ts'
import type { TunnelEnd, TunnelFacts } from '../exchange/ports.ts'
import { joinTunnel } from '../net/opaque.ts'
import type { ByteChannel } from '../net/wire.ts'
import { webSocketTunnel } from './websocket-tunnel.ts'

/** Join client and upstream as `request` asked for; `closed` is called once, when the tunnel is over. */
export function joinUpgraded(
  request: RequestHead,
  client: TunnelEnd,
  upstream: TunnelEnd,
  closed: (facts: TunnelFacts) => void,
): void {
  const watch = webSocketTunnel(request)
  joinTunnel(
    client.wire as ByteChannel,
    client.early,
    upstream.wire as ByteChannel,
    upstream.early,
    (outcome) => {
      const cause = outcome.error
      const error =
        cause === undefined
          ? undefined
          : new ProxyError('client_closed', 'tunnel', '', { errno: errnoOf(cause), cause })
      closed({
        bytesFromClient: outcome.bytesAToB,
        bytesToClient: outcome.bytesBToA,
        error,
        webSocket: watch?.facts,
      })
    },
    watch?.observers,
  )
}
