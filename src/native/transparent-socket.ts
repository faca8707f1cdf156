/**
 * A bound TCP socket with IP_TRANSPARENT, for TPROXY mode: connections to addresses that are not ours are delivered to
 * it, and `socket.localAddress` is then the original destination. Node cannot set the option before bind, but listens
 * on a descriptor: `server.listen({ fd })`.
 */
import { type Libc, libc } from './libc.ts'
import { AF_INET, AF_INET6, encodeSockaddr, SOCKADDR_IN_BYTES } from './sockaddr.ts'
import { SOCK_CLOEXEC, SOCK_NONBLOCK } from './socket-flags.ts'
import { type SocketOption, setOption } from './socket-options.ts'

const SOCK_STREAM = 1

/** What failed: the call and the errno's name. */
export interface SocketFault {
  readonly call: string
  readonly errno: string
}

/**
 * Make and bind the socket; `::` takes IPv4 too. Needs CAP_NET_ADMIN or CAP_NET_RAW for this call only.
 * @returns the descriptor, owned by the caller (`server.listen({ fd })` takes it over), or what failed.
 */
export function bindTransparentSocket(address: string, port: number): number | SocketFault {
  const calls = libc()
  if ('missing' in calls) return { call: `FFI (${calls.missing})`, errno: 'ENOSYS' }
  const sockaddr = encodeSockaddr(address, port)
  if (sockaddr === undefined) return { call: 'bind', errno: 'EINVAL' }
  const v4 = sockaddr.length === SOCKADDR_IN_BYTES
  const fd = calls.socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
  if (fd < 0) return { call: 'socket', errno: calls.errno() }
  const fault = prepare(calls, fd, v4, sockaddr)
  if (fault === undefined) return fd
  calls.close(fd)
  return fault
}

function prepare(calls: Libc, fd: number, v4: boolean, sockaddr: Buffer): SocketFault | undefined {
  const options: readonly (readonly [SocketOption, number])[] = v4
    ? [['IP_TRANSPARENT', 1]]
    : [
        ['IPV6_V6ONLY', 0],
        ['IPV6_TRANSPARENT', 1],
      ]
  for (const [name, number] of [['SO_REUSEADDR', 1] as const, ...options]) {
    const errno = setOption(calls, fd, name, number)
    if (errno !== '') return { call: `setsockopt ${name}`, errno }
  }
  if (calls.bind(fd, sockaddr, sockaddr.length) !== 0) return { call: 'bind', errno: calls.errno() }
  return undefined
}
