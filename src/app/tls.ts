/** TLS of a proxy, put together: what is terminated, how upstreams are spoken to, and what is told of it. */
import type { CertificateFiles } from '../config/certificate-files.ts'
import type { Config } from '../config/schema.ts'
import type { Logger } from '../core/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { DialOptions } from '../upstream/dial.ts'
import { TlsMetrics } from './tls-metrics.ts'
import { TlsRuntime } from './tls-runtime.ts'
import type { FailedHandshake } from './tls-termination.ts'
import { TlsTermination } from './tls-termination.ts'

export interface TlsParts {
  readonly command: 'proxy' | 'sidecar' | 'dev'
  readonly config: Config
  readonly log: Logger
  readonly metrics: Metrics
  /** In place of those of the settings (`dev --https`). */
  readonly certificates: (() => readonly CertificateFiles[]) | undefined
  readonly onFailed: (report: FailedHandshake) => void
}

export interface ProxyTls {
  readonly runtime: TlsRuntime
  /** Undefined where clients' TLS is none of our business. */
  readonly termination: TlsTermination | undefined
  readonly dial: Pick<DialOptions, 'tls' | 'onHandshake'>
}

/** Throws where a file cannot be used. */
export function openTls({ command, config, log, metrics, certificates, onFailed }: TlsParts): ProxyTls {
  const counts = new TlsMetrics(metrics)
  const runtime = new TlsRuntime(config, log, (outcome) => counts.reload(outcome), certificates)
  counts.watch(() => runtime.certificates)
  const { terminate, passthrough } = config.tls
  const wanted = runtime.handshakes !== undefined || (command === 'proxy' && passthrough.length > 0)
  const termination = new TlsTermination({
    handshakes: runtime.handshakes,
    terminate,
    passthrough,
    onlyKnown: command === 'sidecar',
    onHandshake: (outcome, tookUs) => counts.downstream(outcome, tookUs),
    onFailed,
  })
  return {
    runtime,
    termination: wanted ? termination : undefined,
    dial: { tls: runtime.upstream, onHandshake: (outcome, tookUs) => counts.upstream(outcome, tookUs) },
  }
}
