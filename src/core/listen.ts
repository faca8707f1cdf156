/** A server at an address of this host. Every address is one too, on kernels with and without IPv6. */
import { existsSync } from 'node:fs'

/** There in every network namespace of a kernel that knows IPv6, with or without addresses. */
const KNOWS_IPV6 = '/proc/net/if_inet6'

/** The host to listen at: `::` means every address, which a kernel without IPv6 has by another name. */
export function listenHost(host: string, sign = KNOWS_IPV6, platform: string = process.platform): string {
  return host === '::' && platform === 'linux' && !existsSync(sign) ? '0.0.0.0' : host
}

/** What is asked of a server of Node: of HTTP, HTTPS or HTTP/2. */
interface Listening {
  listen(port: number, host: string, onListening: () => void): unknown
  address(): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  off(event: 'error', listener: (error: Error) => void): unknown
}

/** Resolves with the address that `server` listens at; rejects where that cannot be had. */
export async function listen(server: Listening, host: string, port: number): Promise<{ host: string; port: number }> {
  await new Promise<void>((resolve, reject) => {
    server.on('error', reject)
    server.listen(port, listenHost(host), () => {
      server.off('error', reject)
      resolve()
    })
  })
  // A connection that could not be accepted is nobody else's concern, and none of the process's.
  server.on('error', () => {})
  const bound = server.address() as { address: string; port: number }
  return { host: bound.address, port: bound.port }
}
