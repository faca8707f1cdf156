/** Admin and metrics servers of a process that serves. */
import { startAdmin } from '../admin/admin-server.ts'
import { startMetricsServer } from '../admin/metrics-server.ts'
import type { Config } from '../config/schema.ts'
import type { LogLevel } from '../core/log.ts'
import type { RecorderQuery } from '../telemetry/flight-recorder.ts'
import type { ScrapeResult } from '../telemetry/metrics.ts'

/** What the servers show and steer: one proxy, or several processes together. */
export interface Served {
  readonly draining: boolean
  logLevel: LogLevel
  scrape(): Promise<ScrapeResult>
  exchanges(query: RecorderQuery): unknown
}

export interface ServersOptions {
  readonly served: Served
  readonly config: Pick<Config, 'admin' | 'metrics'>
  readonly describeConfig: () => unknown
  /** Drain and exit. */
  readonly onQuit: () => void
  /** Fail readiness and close connections as they become idle; the process stays. */
  readonly onDrain: () => void
}

/** Running servers; the addresses that they are bound to, by name. */
export interface Servers {
  readonly addresses: Readonly<Record<string, string>>
  close(): Promise<void>
}

/** Start those that are not `off`. Rejects with the bind error. */
export async function startServers(options: ServersOptions): Promise<Servers> {
  const { served, config } = options
  const running: Record<string, Awaited<ReturnType<typeof startAdmin>>> = {}
  if (config.metrics !== 'off') {
    running.metrics = await startMetricsServer({ ...config.metrics, scrape: () => served.scrape() })
  }
  if (config.admin !== 'off') {
    running.admin = await startAdmin({
      ...config.admin,
      readiness: () => (served.draining ? { ready: false, reason: 'draining' } : { ready: true }),
      config: options.describeConfig,
      exchanges: (query) => served.exchanges(query),
      drain: options.onDrain,
      quit: options.onQuit,
      logLevel: () => served.logLevel,
      setLogLevel: (level) => {
        served.logLevel = level
      },
    })
  }
  return {
    addresses: Object.fromEntries(Object.entries(running).map(([name, { host, port }]) => [name, `${host}:${port}`])),
    close: async () => {
      await Promise.all(Object.values(running).map((server) => server.close()))
    },
  }
}
