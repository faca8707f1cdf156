/** A real `hopscope aggregator` on the core of what is measured. */
import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort, logTail, runDir, type Started, start, stop, waitForPort } from '../system/processes.ts'

export interface AggregatorUnderTest {
  readonly entry: Started
  readonly grpcPort: number
  readonly uiPort: number
  /** JSON of the query API; path from `/api/hopscope/` on. */
  ask<T>(path: string): Promise<T>
  /** Resolves when all that was acknowledged is in files; gives what is there. */
  stored(): Promise<Status>
  /** From here on it may use all cores of the machine. */
  unpin(): void
  end(): Promise<void>
}

export interface Status {
  readonly spans: number
  readonly waiting: number
  readonly bytes: number
}

export interface AggregatorStart {
  readonly walSync: 'always' | 'second' | 'never'
  /** Stays afterwards; without it a folder of this run. */
  readonly dataDir?: string | undefined
  /** Folder for CPU profiles of its threads. */
  readonly profileDir?: string | undefined
  /** Modules loaded into each of its threads. */
  readonly imports?: readonly string[]
}

const READY_MS = 30_000

export async function startAggregator({
  walSync,
  dataDir,
  profileDir,
  imports = [],
}: AggregatorStart): Promise<AggregatorUnderTest> {
  const [grpcPort, uiPort] = [await freePort(), await freePort()]
  const profiler = new URL(`profile-threads.js?dir=${encodeURIComponent(profileDir ?? '')}`, import.meta.url)
  const entry = start('aggregator', 'proxy', process.execPath, [
    ...[...imports, ...(profileDir === undefined ? [] : [profiler.href])].flatMap((url) => ['--import', url]),
    // File by file, not the bundle: what is imported before may hook into its modules.
    ...[fileURLToPath(new URL('../../src/cli/main.js', import.meta.url)), 'aggregator'],
    ...['--data-dir', dataDir ?? join(runDir, `spans-${grpcPort}`), '--aggregator-wal-sync', walSync],
    ...['--otlp-grpc', `127.0.0.1:${grpcPort}`, '--ui', `127.0.0.1:${uiPort}`],
    ...['--otlp-http', 'off', '--metrics', 'off'],
  ])
  if (!(await waitForPort(grpcPort, entry, READY_MS)))
    throw new Error(`the aggregator did not start: ${logTail(entry)}`)
  const ask = async <T>(path: string): Promise<T> => {
    const answer = await fetch(`http://127.0.0.1:${uiPort}/api/hopscope/${path}`)
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
    return (await answer.json()) as T
  }
  return {
    ...{ entry, grpcPort, uiPort, ask },
    stored: async () => {
      for (;;) {
        const status = await ask<Status>('status')
        if (status.waiting === 0) return status
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    },
    unpin: () => unpin(entry),
    end: () => stop(entry),
  }
}

/** Lets a process that was started use all cores. */
export function unpin({ pid }: Started): void {
  spawnSync('taskset', ['-acp', `0-${availableParallelism() - 1}`, String(pid)], { stdio: 'ignore' })
}
