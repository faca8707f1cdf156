/** Runs wrk or the generator against one port and gives their result in one form. */
import { fileURLToPath } from 'node:url'
import { ahead, run, versionOf } from '../system/processes.ts'
import { REQUEST_HEADERS } from '../workloads.ts'
import type { LoadOrder, LoadResult } from './shared.ts'

const hasWrk = versionOf('wrk', '-v') !== undefined
const generator = fileURLToPath(new URL('./generator.js', import.meta.url))
const wrkScript = fileURLToPath(new URL('../../../bench/load/wrk-report.lua', import.meta.url))

/** A load's figures; `cutOff` is how many requests can have been under way, uncounted, when it ended. */
export interface Load extends LoadResult {
  readonly cutOff: number
}

/** Runs the order to its end; throws when the load program fails. */
export async function runLoad(order: LoadOrder): Promise<Load> {
  if (order.perSecond === 0 && hasWrk) return runWrk(order)
  const timeoutMs = order.seconds * 1000 + 15_000
  const command = [process.execPath, generator, JSON.stringify(order)]
  const out = await run(order.perSecond === 0 ? command : ahead(...command), 'rest', timeoutMs)
  return { ...(JSON.parse(out) as LoadResult), cutOff: 0 }
}

async function runWrk(order: LoadOrder): Promise<Load> {
  const headers = REQUEST_HEADERS.flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  const size = ['-t1', `-c${order.connections}`, `-d${order.seconds}s`, '--timeout', '5s']
  const url = `http://127.0.0.1:${order.port}${order.path}`
  const out = await run(['wrk', ...size, '-s', wrkScript, ...headers, url], 'rest', order.seconds * 1000 + 15_000)
  const line = /^RESULT (.*)$/m.exec(out)?.[1]
  if (line === undefined) throw new Error(`wrk printed no result: ${out}`)
  const result = JSON.parse(line) as { brokenConnections: number } & Omit<LoadResult, 'p90Us'>
  return {
    requests: result.requests,
    failed: result.failed + result.brokenConnections,
    durationUs: result.durationUs,
    p50Us: result.p50Us,
    p90Us: 0,
    p99Us: result.p99Us,
    punctualShare: 1,
    generatorBusy: 0,
    cutOff: order.connections + result.brokenConnections,
  }
}
