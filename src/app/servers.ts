/** Admin and metrics servers of a process that serves. */
import { type AdminOptions, type Readiness, startAdmin } from '../admin/admin-server.ts'
import type { ControlServer } from '../admin/http-server.ts'
import { startKubeletServer } from '../admin/kubelet-server.ts'
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
  idempotency(): unknown
  sampling(): unknown
}

export interface ServersOptions {
  readonly served: Served
  readonly config: Pick<Config, 'admin' | 'metrics' | 'kubelet'>
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

/** Start those that are not `off`. Rejects with the bind error, and leaves none open then. */
export async function startServers(options: ServersOptions): Promise<Servers> {
  const { admin, metrics, kubelet } = options.config
  const running = new Map<string, ControlServer>()
  const close = async (): Promise<void> => {
    await Promise.all([...running.values()].map((server) => server.close()))
  }
  try {
    if (metrics !== 'off') {
      running.set('metrics', await startMetricsServer({ ...metrics, scrape: () => options.served.scrape() }))
    }
    if (admin !== 'off') running.set('admin', await startAdmin(adminOptions(options, admin)))
    if (kubelet.listen !== 'off') {
      const { podIp, probes } = kubelet
      const readiness = (): Readiness => readinessOf(options.served)
      running.set('kubelet', await startKubeletServer({ ...kubelet.listen, readiness, podIp, probes }))
    }
  } catch (error) {
    await close()
    throw error
  }
  const addresses = [...running].map(([name, { host, port }]) => [name, `${host}:${port}`] as const)
  return { addresses: Object.fromEntries(addresses), close }
}

const readinessOf = ({ draining }: Served): Readiness =>
  draining ? { ready: false, reason: 'draining' } : { ready: true }

function adminOptions(options: ServersOptions, address: { host: string; port: number }): AdminOptions {
  const { served } = options
  return {
    ...address,
    readiness: () => readinessOf(served),
    config: options.describeConfig,
    exchanges: (query) => served.exchanges(query),
    idempotency: () => served.idempotency(),
    sampling: () => served.sampling(),
    drain: options.onDrain,
    quit: options.onQuit,
    logLevel: () => served.logLevel,
    setLogLevel: (level) => {
      served.logLevel = level
    },
  }
}
