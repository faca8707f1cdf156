/** The places in which the data path serves: before one upstream (`proxy`, `dev`), or on redirected traffic (`sidecar`). */
import type { Config } from '../config/schema.ts'
import type { Destination } from '../upstream/dial.ts'
import type { Placement } from './data-plane.ts'

/** Reverse proxy: every exchange goes to one upstream. */
export function reversePlacement(
  listen: { host: string; port: number },
  upstreamUrl: string,
  serverTiming: boolean,
): Placement {
  const destination = destinationOfUrl(upstreamUrl)
  return {
    listen,
    destinationOf: () => destination,
    admit: (wire, plane) => plane.serve(wire, plane.describe(wire, 'edge', undefined)),
    serverTiming,
  }
}

/** `http://host:port` → destination. */
export function destinationOfUrl(url: string): Destination {
  const { hostname, port, protocol } = new URL(url)
  const tls = protocol === 'https:'
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? (tls ? 443 : 80) : Number(port), tls }
}

/** Where `proxy` and `dev` listen and forward. */
export function placementOf(command: 'proxy' | 'dev', config: Config): Placement {
  return command === 'proxy'
    ? reversePlacement(config.listen, config.upstream.url ?? '', false)
    : reversePlacement({ host: '127.0.0.1', port: config.port }, config.target, true)
}
