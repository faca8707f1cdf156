/** Failures of upstream connections as errors that name what was known of the connection. */
import { errnoOf, ProxyError } from '../core/errors.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { phaseOf } from '../exchange/phase.ts'
import { lateUpstreamFailure } from '../tls/failures.ts'

/** More interim responses than this are an attack or a fault. */
export const MAX_INFORMATIONAL = 8

/**
 * FIN, RST or a write error in the middle of an exchange. `answered`: any byte of an answer came, a 1xx or half a head
 * too, which shows that the request was taken: it is not sent again.
 */
export function brokenOff(x: Exchange, answered: boolean, fin: boolean, cause: Error | undefined): ProxyError {
  const errno = errnoOf(cause) || (fin ? 'FIN' : '')
  const handshake = answered ? undefined : lateUpstreamFailure(cause)
  if (handshake !== undefined) return new ProxyError(handshake.code, 'tls', handshake.detail, { errno, cause })
  return new ProxyError(answered ? 'upstream_aborted' : 'upstream_reset', phaseOf(x), '', { errno, cause })
}
