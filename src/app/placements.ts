/** The places in which the data path serves: before one upstream (`proxy`, `dev`), or on redirected traffic (`sidecar`). */
import type { Config } from '../config/schema.ts'
import { ProxyError } from '../core/errors.ts'
import type { ConnectionInfo } from '../exchange/exchange.ts'
import { LocalAddresses } from '../net/local-addresses.ts'
import { placeAccepted } from '../net/original-dst.ts'
import { OwnConnections } from '../net/own-connections.ts'
import { endsAtListener } from '../net/own-listener.ts'
import type { Wire } from '../net/wire.ts'
import type { Destination } from '../upstream/dial.ts'
import type { DataPlane, Placement } from './data-plane.ts'
import { EdgeConnection } from './edge-connection.ts'
import type { OpaqueTelemetry } from './opaque-telemetry.ts'
import { SidecarConnection } from './sidecar-connection.ts'
import type { TlsTermination } from './tls-termination.ts'

/** TLS of a reverse proxy. */
export interface EdgeTls {
  readonly termination: TlsTermination
  /** Requests in clear text are refused. */
  readonly required: boolean
  readonly opaque: OpaqueTelemetry
}

/** Reverse proxy: every exchange goes to one upstream. Without `tls`, clients are taken to speak clear text. */
export function reversePlacement(
  listen: { host: string; port: number },
  upstreamUrl: string,
  serverTiming: boolean,
  tls?: EdgeTls,
): Placement {
  const destination = destinationOfUrl(upstreamUrl)
  const addresses = new LocalAddresses()
  return {
    listen,
    destinationOf: () => destination,
    admit: (wire, plane) => {
      const info = plane.describe(wire, 'edge', undefined)
      if (tls === undefined) plane.serve(wire, info)
      else admitEdge(wire, info, plane, destination, tls)
    },
    leadsBack: (socket, listener) => endsAtListener(socket, listener, addresses),
    serverTiming,
    clientTls: tls === undefined ? 'none' : tls.required ? 'required' : 'terminated',
    keepsProtocol: false,
    closesEarly: true,
  }
}

function admitEdge(wire: Wire, info: ConnectionInfo, plane: DataPlane, destination: Destination, tls: EdgeTls): void {
  new EdgeConnection(wire, info, {
    plane,
    tls: tls.termination,
    clearText: !tls.required,
    passOn: (held) => {
      const upstream = { address: destination.host, port: destination.port }
      const { detectMs } = plane.timeouts
      const tunnel = new SidecarConnection(wire, info, upstream, {
        plane,
        dial: plane.dial,
        detectMs,
        onSniffed: () => {},
        opaque: tls.opaque,
      })
      tunnel.onBytes(held, 0, held.length)
    },
  })
}

/** `http://host:port` → destination. */
export function destinationOfUrl(url: string): Destination {
  const { hostname, port, protocol } = new URL(url)
  const tls = protocol === 'https:'
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? (tls ? 443 : 80) : Number(port), tls }
}

/** What a sidecar reports besides exchanges. */
export interface SidecarEvents {
  /** An intercepted connection was refused: a loop, a relay attempt, or no original destination. */
  readonly onRefused: (error: ProxyError) => void
  readonly onSniffed: (outcome: string) => void
  readonly opaque: OpaqueTelemetry
}

/**
 * Intercepted traffic: the original destination alone decides where bytes go. `fd` is a transparent listening socket
 * for TPROXY mode.
 */
export function sidecarPlacement(config: Config, events: SidecarEvents, fd?: number, tls?: TlsTermination): Placement {
  const { mode, ipv6 } = config.intercept
  const addresses = new LocalAddresses()
  const opaquePorts = new Set(config.intercept.opaquePorts)
  const isLocal = (address: string): boolean => addresses.has(address)
  const own = new OwnConnections()
  const isGuarded = (config.tls.allowedIdentities ?? []).length > 0
  return {
    listen: { host: ipv6 ? '::' : '0.0.0.0', port: config.port, ...(fd === undefined ? {} : { fd }) },
    destinationOf: ({ originalDestination, tls: terminated }) => ({
      host: originalDestination!.address,
      port: originalDestination!.port,
      tls: terminated !== undefined && config.tls.reencrypt,
      // Whoever is there must be who the client asked for.
      serverName: terminated?.serverName || undefined,
    }),
    leadsBack: (socket) => own.dialled(socket),
    admit: (wire, plane) => {
      const ownPorts = [plane.address.port]
      const placed = own.accepted(wire.socket)
        ? new ProxyError('loop_detected', 'head', 'this proxy dialled it: do the rules leave out its user?')
        : placeAccepted(wire.socket, wire.fd, { mode, ownPorts, isLocal })
      if ('code' in placed) {
        events.onRefused(placed)
        refuse(wire)
        return
      }
      const info = plane.describe(wire, placed.direction, placed.destination)
      const connection = new SidecarConnection(wire, info, placed.destination, {
        plane,
        dial: plane.dial,
        detectMs: plane.timeouts.detectMs,
        tls,
        guarded: isGuarded && placed.direction === 'inbound',
        onSniffed: events.onSniffed,
        opaque: events.opaque,
      })
      if (opaquePorts.has(placed.destination.port)) connection.tunnel('port')
      connection.detect()
    },
    clientTls: tls === undefined ? 'none' : 'terminated',
    serverTiming: false,
    keepsProtocol: true,
    closesEarly: false,
  }
}

/** Close with RST: whoever dialled must not take this for a service that answered. */
function refuse(wire: Wire): void {
  wire.handler = { onBytes: () => {}, onEnd: () => {}, onDrain: () => {}, onClose: () => {} }
  wire.reset()
}

/** Where `proxy` and `dev` listen and forward. */
export function edgePlacement(command: 'proxy' | 'dev', config: Config, tls?: EdgeTls): Placement {
  return command === 'proxy'
    ? reversePlacement(config.listen, config.upstream.url ?? '', false, tls)
    : reversePlacement({ host: '127.0.0.1', port: config.port }, config.target, true, tls)
}
