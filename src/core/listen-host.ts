/** Every address of this host, on kernels with and without IPv6. */
import { existsSync } from 'node:fs'

/** There in every network namespace of a kernel that knows IPv6, with or without addresses. */
const KNOWS_IPV6 = '/proc/net/if_inet6'

/** The host to listen at: `::` means every address, which a kernel without IPv6 has by another name. */
export function listenHost(host: string, sign = KNOWS_IPV6, platform: string = process.platform): string {
  return host === '::' && platform === 'linux' && !existsSync(sign) ? '0.0.0.0' : host
}
