/** `struct sockaddr_in` and `sockaddr_in6` (ip(7), ipv6(7)): family in host order, port and address in network order. */
import { endianness } from 'node:os'
import { formatIp, parseIp } from '../core/ip-address.ts'

export const AF_INET = 2
export const AF_INET6 = 10
export const SOCKADDR_IN_BYTES = 16
export const SOCKADDR_IN6_BYTES = 28

const LITTLE = endianness() === 'LE'

export interface SocketAddress {
  /** Canonical text; a link-local IPv6 address carries its zone, since it cannot be dialled without. */
  readonly address: string
  readonly port: number
}

/** Undefined where the family is neither IPv4 nor IPv6. */
export function decodeSockaddr(bytes: Buffer): SocketAddress | undefined {
  const family = LITTLE ? bytes.readUInt16LE(0) : bytes.readUInt16BE(0)
  const port = bytes.readUInt16BE(2)
  if (family === AF_INET) return { address: formatIp(bytes.subarray(4, 8)), port }
  if (family !== AF_INET6) return undefined
  const address = formatIp(bytes.subarray(8, 24))
  const zone = LITTLE ? bytes.readUInt32LE(24) : bytes.readUInt32BE(24)
  const linkLocal = bytes[8] === 0xfe && (bytes[9]! & 0xc0) === 0x80
  return { address: linkLocal && zone !== 0 ? `${address}%${zone}` : address, port }
}

/** Undefined where `address` is no IP address. */
export function encodeSockaddr(address: string, port: number): Buffer | undefined {
  const ip = parseIp(address)
  if (ip === undefined) return undefined
  const bytes = Buffer.alloc(ip.length === 4 ? SOCKADDR_IN_BYTES : SOCKADDR_IN6_BYTES)
  const family = ip.length === 4 ? AF_INET : AF_INET6
  if (LITTLE) bytes.writeUInt16LE(family, 0)
  else bytes.writeUInt16BE(family, 0)
  bytes.writeUInt16BE(port, 2)
  bytes.set(ip, ip.length === 4 ? 4 : 8)
  return bytes
}
