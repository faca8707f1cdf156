/** A whole aggregator within the test, on free ports and in a folder of its own. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Aggregator, type AggregatorOptions, startAggregator } from '../../src/aggregator/aggregator.ts'
import { silentLogger } from '../../src/core/log.ts'

const ANY = { host: '127.0.0.1', port: 0 }
const MIB = 1024 * 1024

export interface RunningAggregator {
  readonly aggregator: Aggregator
  readonly folder: string
  readonly grpcPort: number
  readonly httpPort: number
  readonly metricsPort: number
  readonly uiPort: number
  /** The JSON answer of the query API, path from `/api/` on; fails where the status is another than `status`. */
  ask<T = Record<string, unknown>>(path: string, status?: number): Promise<T>
  /** Resolves when all that was taken is in files. */
  stored(): Promise<void>
  /** Stop it, once however often it is asked for; the folder stays for another. */
  stop(): Promise<void>
  /** Stop it and remove the folder. */
  end(): Promise<void>
}

export async function running(
  more: Partial<AggregatorOptions> = {},
  folder = mkdtempSync(join(tmpdir(), 'hopscope-test-')),
): Promise<RunningAggregator> {
  const aggregator = await startAggregator({
    ...{ otlpGrpc: ANY, otlpHttp: ANY, ui: ANY, metrics: ANY, dataDir: folder, walSync: 'never', sealMs: 100 },
    ...{ segments: 3, inFlightBytes: 64 * MIB, databaseBytes: 96 * MIB, retentionMs: 3_600_000 },
    ...{ retentionBytes: 1024 * MIB, maxConnectionAgeMs: 0, log: silentLogger },
    onFatal: (error) => {
      throw error
    },
    ...more,
  })
  const ask = async <T>(path: string, status = 200): Promise<T> => {
    const answer = await aggregator.query(`/api/${path}`)
    const text = typeof answer.body === 'string' ? answer.body : Buffer.from(answer.body).toString()
    if (answer.status !== status) throw new Error(`${path}: ${answer.status} ${text}`)
    return JSON.parse(text) as T
  }
  let stopping: Promise<void> | undefined
  const stop = (): Promise<void> => {
    stopping ??= aggregator.close()
    return stopping
  }
  const port = (name: string): number => aggregator.addresses[name]?.port ?? 0
  return {
    ...{ aggregator, folder, ask, stop },
    ...{ grpcPort: port('otlpGrpc'), httpPort: port('otlpHttp'), metricsPort: port('metrics'), uiPort: port('ui') },
    stored: async () => {
      await until('all is stored', async () => (await ask<{ waiting: number }>('hopscope/status')).waiting === 0)
    },
    end: async () => {
      await stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Asks again until it holds; fails after `deadlineMs`. */
export async function until(what: string, holds: () => Promise<boolean> | boolean, deadlineMs = 8000): Promise<void> {
  const end = performance.now() + deadlineMs
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`not in time: ${what}`)
    await sleep(20)
  }
}
