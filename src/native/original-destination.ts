/** SO_ORIGINAL_DST: where a connection was going before a REDIRECT rule turned it to us (linux/netfilter_ipv4.h). */
import { libc } from './libc.ts'
import { decodeSockaddr, SOCKADDR_IN_BYTES, SOCKADDR_IN6_BYTES, type SocketAddress } from './sockaddr.ts'

const SOL_IP = 0
const SOL_IPV6 = 41
/** The same number for IPv4 and IPv6. */
const SO_ORIGINAL_DST = 80

const value = Buffer.alloc(SOCKADDR_IN6_BYTES)
const length = new Uint32Array(1)

/**
 * Ask conntrack for the original destination of an accepted socket.
 * @param family of the connection, not of the socket: an IPv4 peer of a dual-stack listener has 4, since its
 *   conntrack entry is an IPv4 one and only the IPv4 option finds it.
 * @returns the destination, or the errno's name: `ENOENT` not tracked, `ENOPROTOOPT` no conntrack in this kernel,
 *   `ENOSYS` no FFI here.
 */
export function originalDestination(fd: number, family: 4 | 6): SocketAddress | string {
  const calls = libc()
  if ('missing' in calls) return 'ENOSYS'
  length[0] = family === 4 ? SOCKADDR_IN_BYTES : SOCKADDR_IN6_BYTES
  const result = calls.getsockopt(fd, family === 4 ? SOL_IP : SOL_IPV6, SO_ORIGINAL_DST, value, length)
  if (result !== 0) return calls.errno()
  return decodeSockaddr(value) ?? 'EAFNOSUPPORT'
}
