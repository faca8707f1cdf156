/** What went through a tunnel, in the words of the exchange that became one. */
import { errnoOf, ProxyError } from '../core/errors.ts'
import type { TunnelFacts } from '../exchange/ports.ts'
import type { TunnelOutcome } from '../net/opaque.ts'

/** Side A is the client's. */
export function tunnelFacts(outcome: TunnelOutcome): TunnelFacts {
  const { bytesAToB, bytesBToA, error } = outcome
  return {
    bytesFromClient: bytesAToB,
    bytesToClient: bytesBToA,
    error:
      error === undefined
        ? undefined
        : new ProxyError('client_closed', 'tunnel', '', { errno: errnoOf(error), cause: error }),
  }
}
