/**
 * Where an intercepted connection was going, and whether it may go there. No guess is ever made: what cannot be known
 * is refused, since a proxy that guesses its own address dials itself for ever.
 */
import { type ErrorCode, ProxyError } from '../core/errors.ts'
import { canonicalIp } from '../core/ip-address.ts'
import { originalDestination } from '../native/original-destination.ts'

/** How connections come to us: nat REDIRECT, or mangle TPROXY to a transparent socket. */
export type InterceptMode = 'redirect' | 'tproxy'

/** An address and a port; the address in canonical text, IPv4-mapped prefix removed. */
interface Endpoint {
  readonly address: string
  readonly port: number
}

/** What an intercepted connection is: whose call, and to where. */
export interface Intercepted {
  readonly direction: 'inbound' | 'outbound'
  readonly destination: Endpoint
}

/** All that the decision depends on. */
export interface InterceptFacts {
  readonly mode: InterceptMode
  /** Local end of the accepted socket. */
  readonly local: Endpoint
  /** Who dialled. */
  readonly peerAddress: string
  /** What SO_ORIGINAL_DST says, or the errno's name; not looked at in TPROXY mode. */
  readonly original: Endpoint | string
  /** Ports that this process listens on for intercepted traffic. */
  readonly ownPorts: readonly number[]
  /** Whether an address is one of this host's. */
  readonly isLocal: (address: string) => boolean
}

/**
 * Place an intercepted connection, or say why it is refused: `destination_unknown` where the option failed,
 * `loop_detected` where the app's call leads to our own listener, `destination_refused` where a peer dialled our port
 * or wants to be relayed to another host.
 */
export function placeConnection(facts: InterceptFacts): Intercepted | ProxyError {
  const destination = facts.mode === 'tproxy' ? facts.local : facts.original
  if (typeof destination === 'string') {
    return new ProxyError('destination_unknown', 'head', 'getsockopt(SO_ORIGINAL_DST) failed', { errno: destination })
  }
  if (destination.port === 0) return refuse('destination_unknown', destination, 'has no port')
  const local = facts.isLocal(destination.address)
  const direction = directionOf(facts, local)
  if (facts.ownPorts.includes(destination.port)) {
    const loops = direction === 'outbound' || isLoopback(facts.local.address)
    return refuse(loops ? 'loop_detected' : 'destination_refused', destination, 'is the port of this proxy')
  }
  if (direction === 'inbound' && !local) {
    return refuse('destination_refused', destination, 'is not an address of this host')
  }
  // Under TPROXY all that is routed through this host comes by: only what began here is a call of the app's.
  if (facts.mode === 'tproxy' && direction === 'outbound' && !facts.isLocal(withoutZone(facts.peerAddress))) {
    return refuse('destination_refused', destination, 'was dialled by another host')
  }
  return { direction, destination }
}

/**
 * REDIRECT rewrites the destination to 127.0.0.1 or ::1 for what starts on this host, and to the address of the
 * receiving interface for what comes from outside, so that the local end tells the direction without knowing any
 * address. Under TPROXY the local end is the destination itself.
 */
function directionOf(facts: InterceptFacts, destinationIsLocal: boolean): 'inbound' | 'outbound' {
  if (facts.mode === 'tproxy') return destinationIsLocal ? 'inbound' : 'outbound'
  return isLoopback(facts.local.address) ? 'outbound' : 'inbound'
}

function isLoopback(address: string): boolean {
  return address === '127.0.0.1' || address === '::1'
}

function refuse(code: ErrorCode, destination: Endpoint, why: string): ProxyError {
  return new ProxyError(code, 'head', `${destination.address} port ${destination.port} ${why}`)
}

/** The accepted socket, as far as it matters here. */
export interface AcceptedSocket {
  readonly localAddress?: string | undefined
  readonly localPort?: number | undefined
  readonly remoteAddress?: string | undefined
}

/** What {@link placeAccepted} needs besides the socket. */
export interface PlacementOptions {
  readonly mode: InterceptMode
  readonly ownPorts: readonly number[]
  readonly isLocal: (address: string) => boolean
}

/** {@link placeConnection} for an accepted socket and its descriptor. */
export function placeAccepted(socket: AcceptedSocket, fd: number, options: PlacementOptions): Intercepted | ProxyError {
  const { localAddress, localPort, remoteAddress } = socket
  if (localAddress === undefined || localPort === undefined || remoteAddress === undefined) {
    return new ProxyError('destination_unknown', 'head', 'the connection is closed already', { errno: 'ENOTCONN' })
  }
  const local = { address: withoutMapping(localAddress), port: localPort }
  const original = options.mode === 'tproxy' ? local : originalDestination(fd, local.address.includes(':') ? 6 : 4)
  return placeConnection({ ...options, local, original, peerAddress: withoutMapping(remoteAddress) })
}

function withoutZone(address: string): string {
  return address.replace(/%.*$/, '')
}

/** Keeps the zone of a link-local address: it cannot be dialled without. */
function withoutMapping(address: string): string {
  return address.includes('%') ? address : canonicalIp(address)
}
