/** The aggregator within `hopscope dev`: in a folder of its own that goes with the process, its page on the usual port. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startAggregator } from '../aggregator/aggregator.ts'
import { decodeTraceRequest } from '../aggregator/otlp-decode.ts'
import type { ReceivedSpan } from '../aggregator/span.ts'
import { silentLogger } from '../core/log.ts'

export interface DevAggregatorOptions {
  /** The port asked for where it is free, else any. */
  readonly freePort: (wanted: number) => Promise<number>
  readonly onSpans: (spans: readonly ReceivedSpan[]) => void
  readonly onFatal: (error: Error) => void
  /** What is usual is learnt so many times faster. */
  readonly pace: number
}

export interface DevAggregator {
  readonly host: string
  /** Of OTLP/gRPC. */
  readonly port: number
  /** Of OTLP/HTTP. */
  readonly httpPort: number
  readonly pageUrl: string
  close(): Promise<void>
}

const HOST = '127.0.0.1'
const PORTS = { otlpGrpc: 4317, otlpHttp: 4318, ui: 16686 }
const MIB = 1024 * 1024
/** A day's work, not a store. */
const SETTINGS = {
  metrics: 'off',
  walSync: 'never',
  // Traces are on the page once they are stored; that should not be what one waits for.
  sealMs: 200,
  segments: 3,
  maxConnectionAgeMs: 0,
  inFlightBytes: 32 * MIB,
  databaseBytes: 96 * MIB,
  retentionMs: 12 * 3_600_000,
  retentionBytes: 512 * MIB,
} as const
/** Few calls, and nobody waits long for a demo. */
const EPOCH_MS = 5000
/** A fault has to be seen before its first epoch is learnt. */
const LEAST_EPOCH_MS = 1500

/** Rejects where it cannot start; nothing of it is left then. */
export async function startDevAggregator(options: DevAggregatorOptions): Promise<DevAggregator> {
  const folder = mkdtempSync(join(tmpdir(), 'hopscope-dev-'))
  const remove = (): void => rmSync(folder, { recursive: true, force: true, maxRetries: 2 })
  // The process may end before all is closed.
  process.once('exit', remove)
  const at = async (port: number): Promise<{ host: string; port: number }> => ({
    host: HOST,
    port: await options.freePort(port),
  })
  try {
    const aggregator = await startAggregator({
      ...SETTINGS,
      epochMs: Math.max(LEAST_EPOCH_MS, EPOCH_MS / options.pace),
      ...{ dataDir: folder, log: silentLogger, onFatal: options.onFatal },
      ...{ otlpGrpc: await at(PORTS.otlpGrpc), otlpHttp: await at(PORTS.otlpHttp), ui: await at(PORTS.ui) },
      onTaken: (parts) => {
        const decoded = decodeTraceRequest(Buffer.concat(parts))
        if (decoded.ok && decoded.spans.length > 0) options.onSpans(decoded.spans)
      },
    })
    const { otlpGrpc, otlpHttp, ui } = aggregator.addresses
    return {
      ...{ host: HOST, port: otlpGrpc!.port, httpPort: otlpHttp!.port, pageUrl: `http://${HOST}:${ui!.port}/` },
      close: () => aggregator.close(),
    }
  } catch (error) {
    process.off('exit', remove)
    remove()
    throw error
  }
}
