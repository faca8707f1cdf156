/** Config → telemetry options: PEM files are read here, so that a missing one is a fault at start. */
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import type { Config } from '../config/schema.ts'
import type { Logger } from '../core/log.ts'
import { ProxyHealth } from '../telemetry/proxy-health.ts'
import type { RecorderOptions } from '../telemetry/recorder/options.ts'
import type { TelemetryOptions } from '../telemetry/telemetry.ts'
import { limitsReader } from './limits.ts'
import { tcpFactsReader } from './tcp-facts.ts'
import { version } from './version.ts'

export function telemetryOptions(config: Config, logger: Logger): TelemetryOptions {
  const { otlp } = config
  const endpoint = otlp.endpoints?.[0] ?? otlp.endpoint
  const pem = (file: string | undefined): string | undefined =>
    file === undefined ? undefined : readFileSync(file, 'utf8')
  return {
    otlp:
      endpoint === undefined || !otlp.enabled
        ? undefined
        : {
            endpoint,
            endpoints: otlp.endpoints?.length === 0 ? undefined : otlp.endpoints,
            headers: otlp.headers,
            compression: otlp.compression,
            timeoutMs: otlp.timeoutMs,
            batchSpans: otlp.batchSpans,
            queueBytes: otlp.queueBytes,
            caPem: pem(otlp.certificate),
            certPem: pem(otlp.clientCertificate),
            keyPem: pem(otlp.clientKey),
          },
    resource: resourceOf(config),
    version: version(),
    accessLog: config.accessLog,
    scheduleMs: otlp.scheduleMs,
    ringBytes: config.recorder.bytes,
    slowMs: config.recorder.slowMs,
    recorder: recorderOptions(config),
    ...(process.platform === 'linux' ? { tcpOf: tcpFactsReader() } : {}),
    health: new ProxyHealth(process.platform === 'linux' ? limitsReader() : undefined),
    logger,
  }
}

function recorderOptions({ recorder, idempotency, concurrency }: Config): RecorderOptions {
  const { dumpDir, file } = recorder
  const principals = [idempotency.principal, ...idempotency.routes.map(({ principal = '' }) => principal)]
  const named = principals.filter((principal) => principal.startsWith('header:'))
  return {
    sections: recorder.headers,
    showHeaders: recorder.showHeaders,
    hideHeaders: named.map((principal) => principal.slice('header:'.length)),
    tracesPerSecond: recorder.tracesPerSecond,
    ask: recorder.ask,
    dump: dumpDir === undefined ? undefined : { folder: dumpDir, files: recorder.dumpFiles, bytes: recorder.dumpBytes },
    file: file === undefined ? undefined : { path: file, bytes: recorder.fileBytes, processes: concurrency },
  }
}

/**
 * Attributes of all our spans. `host.name` says which spans share a clock. `host.id` is not ours to say: images carry
 * the machine-id of where they were built, and then all hosts of a fleet would seem one.
 */
export function resourceOf(config: Pick<Config, 'resource' | 'service'>): Record<string, string> {
  const host = hostname()
  return {
    'service.instance.id': `${host}.${process.pid}`,
    'host.name': host,
    ...config.resource.attributes,
    'service.name': config.service.name,
  }
}
