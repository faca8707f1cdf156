/** `hopscope injector`: settings to options, certificates that change, what is known of the cluster, and a clean end. */
import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { ControlServer } from '../admin/http-server.ts'
import { startMetricsServer } from '../admin/metrics-server.ts'
import type { Config } from '../config/schema.ts'
import type { LeveledLogger } from '../core/log.ts'
import { ApiClient } from '../injector/api-client.ts'
import { SkipEvents } from '../injector/events.ts'
import { InjectorMetrics } from '../injector/metrics.ts'
import { everyNodeKnowsNativeSidecars } from '../injector/node-versions.ts'
import type { InjectionOptions } from '../injector/options.ts'
import type { Outcome } from '../injector/review.ts'
import { type Certificate, startWebhook, type Webhook } from '../injector/server.ts'
import { readSidecarSettings } from '../injector/sidecar-settings.ts'
import { createLog } from '../telemetry/log.ts'
import { FileWatch } from '../tls/file-watch.ts'

/** The API server, as the environment and files of a pod tell of it. */
export interface ApiServer {
  readonly host: string
  readonly port: number
  /** Folder with `ca.crt` and `token`. */
  readonly accountFolder: string
}

export interface RunningInjector {
  readonly webhook: Webhook
  readonly addresses: Readonly<Record<string, string>>
  close(): Promise<void>
}

const LOOK_AT_NODES_MS = 300_000
const FIRST_LOOK_MS = 3000
/** After readiness fails, the API server's connections still bring reviews for a while. */
const LINGER_MS = 3000

/** Run until a signal ends it. Throws where it cannot start. */
export async function runInjector(config: Config, apiServer: ApiServer | undefined): Promise<void> {
  const log = createLog({ level: config.log.level })
  const running = await startInjector(config, apiServer, log)
  let asked = false
  const end = async (why: string): Promise<void> => {
    if (asked) process.exit(1)
    asked = true
    log.info({ why }, 'closing')
    running.webhook.startDraining()
    setTimeout(async () => {
      await running.close()
      await log.flush()
      process.exit(0)
    }, LINGER_MS)
  }
  process.on('SIGTERM', () => void end('SIGTERM'))
  process.on('SIGINT', () => void end('SIGINT'))
  log.info({ ...running.addresses, startMs: Math.round(performance.now()) }, 'listening')
}

/** Rejects where files cannot be read or addresses not be had. */
export async function startInjector(
  config: Config,
  apiServer: ApiServer | undefined,
  log: LeveledLogger,
): Promise<RunningInjector> {
  const { injector } = config
  const metrics = new InjectorMetrics()
  const api = apiServer === undefined ? undefined : connectApi(apiServer)
  const events = api === undefined || !injector.events ? undefined : new SkipEvents(api, metrics, log)
  const fixed = injectionOptions(injector)
  let native = injector.nativeSidecars === 'always'
  metrics.native(native)
  const webhook = await startWebhook({
    ...injector.listen,
    certificate: readCertificate(injector),
    maxBodyBytes: injector.maxBodyBytes,
    injection: () => ({ ...fixed, nativeSidecars: native }),
    metrics,
    log,
    onOutcome: (outcome) => {
      tellOf(outcome, log)
      events?.tell(outcome)
    },
  })
  const watch = watchCertificate(injector, webhook, metrics, log)
  const look = async (): Promise<void> => {
    if (api === undefined || injector.nativeSidecars !== 'auto') return
    try {
      const now = await everyNodeKnowsNativeSidecars(api)
      if (now !== native) log.info({ native: now }, 'sidecars are native from now on, or not')
      native = now
      metrics.native(native)
    } catch (error) {
      // What was known holds; at first that is the form which every cluster takes.
      log.warn({ err: error }, 'the versions of the nodes are not known')
    }
  }
  const servers: ControlServer[] = []
  try {
    if (config.metrics !== 'off') {
      servers.push(await startMetricsServer({ ...config.metrics, scrape: () => metrics.scrape() }))
    }
  } catch (error) {
    watch.close()
    await webhook.close()
    throw error
  }
  // A cluster that cannot be asked must not hold up admissions for long.
  let enough: NodeJS.Timeout | undefined
  await Promise.race([
    look(),
    new Promise<void>((resolve) => {
      enough = setTimeout(resolve, FIRST_LOOK_MS)
    }),
  ])
  clearTimeout(enough)
  const timer = setInterval(() => void look(), LOOK_AT_NODES_MS).unref()
  const addresses = { webhook: at(webhook), ...(servers[0] !== undefined && { metrics: at(servers[0]) }) }
  return {
    webhook,
    addresses,
    async close() {
      clearInterval(timer)
      watch.close()
      await Promise.all([webhook.close(), ...servers.map((server) => server.close())])
      api?.close()
    },
  }
}

const at = ({ host, port }: { host: string; port: number }): string =>
  `${host.includes(':') ? `[${host}]` : host}:${port}`

function connectApi({ host, port, accountFolder }: ApiServer): ApiClient {
  const authority = readFileSync(`${accountFolder}/ca.crt`, 'utf8')
  return new ApiClient({ host, port, authority, tokenFile: `${accountFolder}/token` })
}

const readCertificate = ({ tlsCertificate, tlsKey }: Config['injector']): Certificate => ({
  cert: readFileSync(tlsCertificate!, 'utf8'),
  key: readFileSync(tlsKey!, 'utf8'),
})

function watchCertificate(
  injector: Config['injector'],
  webhook: Webhook,
  metrics: InjectorMetrics,
  log: LeveledLogger,
): FileWatch {
  let inUse = JSON.stringify(readCertificate(injector))
  const folders = [...new Set([dirname(injector.tlsCertificate!), dirname(injector.tlsKey!)])]
  return new FileWatch({
    folders: () => folders,
    onChange: () => {
      try {
        const now = readCertificate(injector)
        if (JSON.stringify(now) === inUse) return
        webhook.setCertificate(now)
        inUse = JSON.stringify(now)
        log.info({}, 'the certificate was read anew')
      } catch (error) {
        metrics.certificate('failed')
        log.error({ err: error }, 'the new certificate cannot be used; the old one stays')
      }
    },
  })
}

function injectionOptions(injector: Config['injector']): Omit<InjectionOptions, 'nativeSidecars'> {
  const file = injector.sidecarConfig
  const read =
    file === undefined ? { settings: new Map(), faults: [] } : readSidecarSettings(readFileSync(file, 'utf8'), file)
  if (read.faults.length > 0) throw new Error(`settings of the sidecars: ${read.faults.join('; ')}`)
  const { namespace, excludedNamespaces, image, ...rest } = injector
  return {
    ...rest,
    image: image!,
    excludedNamespaces: namespace === undefined ? excludedNamespaces : [...excludedNamespaces, namespace],
    sidecarSettings: read.settings,
  }
}

function tellOf({ result, reason, message, namespace, name }: Outcome, log: LeveledLogger): void {
  const fields = { result, reason, namespace, pod: name }
  if (message === '') log.debug(fields, 'reviewed')
  else log.warn(fields, message)
}
