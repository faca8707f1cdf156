/** A connection that left HTTP, from the client's side: both wires joined, and what the exchange is told of it. */
import { errnoOf, ProxyError } from '../core/errors.ts'
import type { TunnelEnd, TunnelFacts } from '../exchange/ports.ts'
import { joinTunnel } from '../net/opaque.ts'
import type { Wire } from '../net/wire.ts'

/** Join client and upstream; `closed` is called once, when the tunnel is over. */
export function joinUpgraded(client: TunnelEnd, upstream: TunnelEnd, closed: (facts: TunnelFacts) => void): void {
  joinTunnel(client.wire as Wire, client.early, upstream.wire as Wire, upstream.early, (outcome) => {
    const cause = outcome.error
    const error =
      cause === undefined ? undefined : new ProxyError('client_closed', 'tunnel', '', { errno: errnoOf(cause), cause })
    closed({ bytesFromClient: outcome.bytesAToB, bytesToClient: outcome.bytesBToA, error })
  })
}
