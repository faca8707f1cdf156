/** An exchange that left HTTP, from the client's side: both channels joined, and what the exchange is told of it. */
import { errnoOf, ProxyError } from '../core/errors.ts'
import type { RequestHead } from '../core/message.ts'
import type { TunnelEnd, TunnelFacts } from '../exchange/ports.ts'
import { joinTunnel, type TunnelOutcome } from '../net/opaque.ts'
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
    (outcome) =>
      closed({
        bytesFromClient: outcome.bytesAToB,
        bytesToClient: outcome.bytesBToA,
        error: tunnelFailure(outcome),
        webSocket: watch?.facts,
      }),
    watch?.observers,
  )
}

/** What broke a tunnel whose side A is the client. */
export function tunnelFailure({ error: cause, errorOf }: TunnelOutcome): ProxyError | undefined {
  if (cause === undefined) return undefined
  const code = errorOf === 'a' ? 'client_closed' : 'upstream_aborted'
  return new ProxyError(code, 'tunnel', '', { errno: errnoOf(cause), cause })
}
