/** The collector's process, and what it has acknowledged. */
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { CollectorStatus } from '../collector/status.ts'
import { freePort, logTail, type Started, start, waitForPort } from '../system/processes.ts'

/** A running collector. */
export interface Collector {
  readonly entry: Started
  readonly port: number
  readonly statusPort: number
}

/** Starts a collector that acknowledges, or one that accepts calls and never answers. */
export async function startCollector(peer: string, mode: 'acknowledge' | 'hang'): Promise<Collector> {
  const [port, statusPort] = [await freePort(), await freePort()]
  const program = fileURLToPath(new URL('../collector/collector.js', import.meta.url))
  const args = [program, String(port), String(statusPort), mode]
  const entry = start(`collector-${peer}`, 'rest', process.execPath, args)
  if (!(await waitForPort(statusPort, entry, 10_000))) throw new Error(`collector: ${logTail(entry)}`)
  return { entry, port, statusPort }
}

/** What it has taken so far. */
export async function statusOf(collector: Collector): Promise<CollectorStatus> {
  const response = await fetch(`http://127.0.0.1:${collector.statusPort}/`, { signal: AbortSignal.timeout(5000) })
  return (await response.json()) as CollectorStatus
}

/**
 * Waits until at least `spans` are acknowledged and no more came for a quarter of a second; gives up, with what there
 * is, when none came for `patienceMs`.
 */
export async function waitForSpans(collector: Collector, spans: number, patienceMs: number): Promise<CollectorStatus> {
  let status = await statusOf(collector)
  let changedAt = Date.now()
  for (;;) {
    await sleep(50)
    const next = await statusOf(collector)
    if (next.spans !== status.spans) changedAt = Date.now()
    status = next
    const quietMs = Date.now() - changedAt
    if (quietMs > (status.spans >= spans ? 250 : patienceMs)) return status
  }
}
