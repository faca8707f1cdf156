/** `hopscope aggregator`: settings to options, signals, and a clean end. */
import { readFileSync } from 'node:fs'
import { type Aggregator, type AggregatorOptions, startAggregator } from '../aggregator/aggregator.ts'
import type { Config } from '../config/schema.ts'
import { createLog } from '../telemetry/log.ts'

/** Run until a signal ends it. Throws where it cannot start. */
export async function runAggregator(config: Config): Promise<void> {
  const { metrics, aggregator } = config
  const log = createLog({ level: config.log.level })
  let running: Aggregator | undefined
  let asked = false
  const end = async (why: string, code: number): Promise<void> => {
    if (asked) process.exit(process.exitCode ?? code)
    asked = true
    process.exitCode = code
    log.info({ why }, 'closing')
    await running?.close()
    await log.flush()
    process.exit(code)
  }
  const onFatal = (error: Error): void => {
    log.error({ err: error }, 'the store is gone; what was acknowledged is in the write-ahead log')
    void log.flush().then(() => process.exit(1))
  }
  running = await startAggregator({
    otlpGrpc: aggregator.otlpGrpc,
    otlpHttp: aggregator.otlpHttp,
    ui: aggregator.ui,
    metrics,
    dataDir: aggregator.dataDir,
    clickhouse: clickhouseOf(aggregator),
    remoteWrite:
      aggregator.remoteWrite === undefined
        ? undefined
        : { url: aggregator.remoteWrite, everyMs: aggregator.remoteWriteMs },
    alerts: {
      webhook: aggregator.webhook,
      syslog: aggregator.syslog,
      snmp: aggregator.snmpTrap && { ...aggregator.snmpTrap, community: aggregator.snmpCommunity },
    },
    walSync: aggregator.walSync,
    sealMs: aggregator.sealMs,
    sampling: samplingOf(aggregator),
    segments: aggregator.segments,
    inFlightBytes: aggregator.inFlightBytes,
    databaseBytes: aggregator.databaseBytes,
    retentionMs: aggregator.retentionHours * 3_600_000,
    retentionBytes: aggregator.retentionBytes,
    bearerToken: aggregator.bearerToken,
    tls: tlsOf(aggregator),
    replicas: replicasOf(aggregator),
    maxConnectionAgeMs: aggregator.maxConnectionAgeMs,
    log,
    onFatal,
  })
  process.on('SIGTERM', () => void end('SIGTERM', 0))
  process.on('SIGINT', () => void end('SIGINT', 0))
  process.on('uncaughtException', (error) => {
    log.error({ err: error }, 'a fault of ours')
    void end('fault', 1)
  })
  const addresses = Object.entries(running.addresses).map(([name, { host, port }]) => [name, hostPort(host, port)])
  log.info({ ...Object.fromEntries(addresses), startMs: Math.round(performance.now()) }, 'listening')
}

const hostPort = (host: string, port: number): string => `${host.includes(':') ? `[${host}]` : host}:${port}`

function clickhouseOf(
  aggregator: Config['aggregator'],
): { url: string; username: string; password: string } | undefined {
  if (aggregator.clickhouse === undefined) return undefined
  const [username, password] = [aggregator.clickhouseUser, aggregator.clickhousePassword ?? '']
  return { url: aggregator.clickhouse, username, password }
}

/** Undefined: everything is stored, and nothing has to wait. */
function samplingOf({ sampling }: Config['aggregator']): AggregatorOptions['sampling'] {
  if (sampling.share >= 1) return undefined
  const { share, slowMs, slowTimes, waitMs } = sampling
  return { share, slowMs, slowTimes, waitMs }
}

function tlsOf(aggregator: Config['aggregator']): { cert: string; key: string; clientCa?: string } | undefined {
  const { tlsCertificate, tlsKey, tlsClientAuthorities } = aggregator
  if (tlsCertificate === undefined || tlsKey === undefined) return undefined
  const own = { cert: readFileSync(tlsCertificate, 'utf8'), key: readFileSync(tlsKey, 'utf8') }
  return tlsClientAuthorities === undefined ? own : { ...own, clientCa: readFileSync(tlsClientAuthorities, 'utf8') }
}

function replicasOf(aggregator: Config['aggregator']): AggregatorOptions['replicas'] {
  const { replicas, replicaListen, replicaToken, replicaAuthorities, replicaTimeoutMs } = aggregator
  if (replicaListen === 'off') return undefined
  return {
    ...{ listen: replicaListen, hosts: replicas, token: replicaToken, timeoutMs: replicaTimeoutMs },
    authorities: replicaAuthorities === undefined ? undefined : readFileSync(replicaAuthorities, 'utf8'),
  }
}
