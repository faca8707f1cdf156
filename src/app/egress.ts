/** The way to the upstream of a reverse proxy where it is not dialled by our own codecs. */
import { readFileSync } from 'node:fs'
import type { Config } from '../config/schema.ts'
import type { Logger } from '../core/log.ts'
import { type DispatcherLike, type DispatchRoute, dispatcherRoute } from '../upstream/dispatch-route.ts'
import { forwardProxyRoute, isExempt } from '../upstream/forward-proxy.ts'
import { destinationOfUrl } from './placements.ts'

/** Undefined: dial it. Rejects where a file cannot be read. */
export async function routeOf(
  command: 'proxy' | 'dev' | 'sidecar',
  config: Config,
  dispatcher: DispatcherLike | undefined,
  log: Logger,
): Promise<DispatchRoute | undefined> {
  if (command === 'sidecar') return undefined
  const url = command === 'dev' ? config.target : (config.upstream.url ?? '')
  if (dispatcher !== undefined) return dispatcherRoute(dispatcher, url)
  const destination = destinationOfUrl(url)
  const { httpProxy, httpsProxy, noProxy } = config.egress
  const proxyUrl = destination.tls ? httpsProxy : httpProxy
  if (proxyUrl === undefined || isExempt(destination.host, destination.port, noProxy)) return undefined
  log.info({ proxy: new URL(proxyUrl).host, upstream: url }, 'the upstream is reached through a forward proxy')
  const { upstream, limits, timeouts } = config
  return forwardProxyRoute({
    proxyUrl,
    destination,
    tls: tlsOf(upstream.tls),
    timeouts,
    maxConnections: upstream.maxConnections,
    idleMs: upstream.idleMs,
    headBytes: limits.headBytes,
  })
}

function tlsOf({ ca, crl, cert, key, serverName, verify }: Config['upstream']['tls']): object {
  const files = { ca, crl, cert, key }
  const pem = Object.entries(files).flatMap(([name, file]) =>
    file === undefined ? [] : [[name, readFileSync(file, 'utf8')] as const],
  )
  return { ...Object.fromEntries(pem), rejectUnauthorized: verify, ...(serverName && { servername: serverName }) }
}
