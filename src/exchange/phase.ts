/** Where an exchange stands, told by the slots of its timing that are stamped. */
import type { ProxyError } from '../core/errors.ts'
import type { Exchange } from './exchange.ts'

/** The phase an exchange is in, by the slots that are stamped. */
export function phaseOf(x: Exchange): ProxyError['phase'] {
  const { timing } = x
  if (timing.responseUs >= 0) return 'receive'
  if (timing.sentUs >= 0) return 'wait'
  if (timing.sendUs >= 0) return 'send'
  if (timing.tlsUs >= 0) return 'tls'
  if (timing.connectUs >= 0) return 'connect'
  if (timing.dnsUs >= 0) return 'dns'
  return timing.queuedUs >= 0 ? 'queue' : 'head'
}
