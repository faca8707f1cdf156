/** The listening socket of TPROXY mode, and the step down from root that must follow it. */
import type { Config } from '../config/schema.ts'
import { bindTransparentSocket } from '../native/transparent-socket.ts'

/**
 * Bind with IP_TRANSPARENT, then become the proxy user where we are root: the capability is needed for this call
 * alone, and the rules tell the proxy's own connections by that user. Throws with what is missing.
 */
export function transparentSocket(config: Config): number {
  const { ipv6, proxyUid } = config.intercept
  const bound = bindTransparentSocket(ipv6 ? '::' : '0.0.0.0', config.port)
  if (typeof bound !== 'number') {
    throw new Error(`a transparent socket needs NET_ADMIN: ${bound.call} failed with ${bound.errno}`)
  }
  if (process.getuid?.() === 0) {
    process.setgroups?.([])
    process.setgid?.(proxyUid)
    process.setuid?.(proxyUid)
  }
  return bound
}
