/** Socket options that Node has no call for. All of them are int-valued. */
import { endianness } from 'node:os'
import { type Libc, libc } from './libc.ts'

interface OptionNumbers {
  readonly level: number
  readonly option: number
}

/** SO_REUSEADDR etc. from asm-generic/socket.h, IP_ and IPV6_ from linux/in.h and in6.h. */
const OPTIONS = {
  SO_REUSEADDR: { level: 1, option: 2 },
  /** Needs CAP_NET_ADMIN (CAP_NET_RAW since Linux 5.17). */
  SO_MARK: { level: 1, option: 36 },
  /** Needs CAP_NET_ADMIN or CAP_NET_RAW, once: the socket keeps it when the capability is dropped. */
  IP_TRANSPARENT: { level: 0, option: 19 },
  IPV6_TRANSPARENT: { level: 41, option: 75 },
  IPV6_V6ONLY: { level: 41, option: 26 },
} as const satisfies Record<string, OptionNumbers>

export type SocketOption = keyof typeof OPTIONS

const value = Buffer.alloc(4)

/** Set an option. Returns '' or the errno's name (`EPERM`; `ENOSYS` where there is no FFI). */
export function setSocketOption(fd: number, option: SocketOption, number: number): string {
  const calls = libc()
  return 'missing' in calls ? 'ENOSYS' : setOption(calls, fd, option, number)
}

export function setOption(calls: Libc, fd: number, name: SocketOption, number: number): string {
  if (endianness() === 'LE') value.writeInt32LE(number, 0)
  else value.writeInt32BE(number, 0)
  const { level, option } = OPTIONS[name]
  return calls.setsockopt(fd, level, option, value, value.length) === 0 ? '' : calls.errno()
}
