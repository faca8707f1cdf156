/** A connection that was dialled and ends at the listener of the one who dialled it, whatever name led there. */
import type { Socket } from 'node:net'
import { canonicalIp } from '../core/ip-address.ts'
import type { LocalAddresses } from './local-addresses.ts'

/** `host`: the address that the listener is bound to, as the system tells it. */
export function endsAtListener(
  { remoteAddress, remotePort }: Pick<Socket, 'remoteAddress' | 'remotePort'>,
  { host, port }: { readonly host: string; readonly port: number },
  addresses: Pick<LocalAddresses, 'has'>,
): boolean {
  // Closed already, or another port: nothing to look up.
  if (remoteAddress === undefined || remotePort !== port) return false
  const [bound, met] = [canonicalIp(host), canonicalIp(remoteAddress)]
  if (bound === '::') return addresses.has(met)
  // A server of IPv6 alone may have the same port.
  if (bound === '0.0.0.0') return !met.includes(':') && addresses.has(met)
  return met === bound
}
