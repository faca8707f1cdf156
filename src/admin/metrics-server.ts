/** The server that Prometheus scrapes: `/metrics` and nothing else. It has no secrets and changes nothing. */
import type { ScrapeResult } from '../telemetry/metrics.ts'
import { type ControlServer, json, startServer } from './http-server.ts'

export interface MetricsServerOptions {
  readonly host: string
  readonly port: number
  readonly scrape: () => Promise<ScrapeResult>
}

/** Start it. Rejects where the address cannot be had. */
export function startMetricsServer(options: MetricsServerOptions): Promise<ControlServer> {
  return startServer(options.host, options.port, async ({ method, url }) => {
    if (url.pathname !== '/metrics') return json(404, { error: 'metrics are at /metrics' })
    if (method !== 'GET' && method !== 'HEAD') return json(405, { error: 'GET only' })
    const { contentType, text } = await options.scrape()
    return { status: 200, contentType, body: text }
  })
}
