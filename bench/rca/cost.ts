/** What diagnosis costs: CPU a span in a real aggregator, and memory of a signature with as many as are held. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Signatures } from '../../src/aggregator/diagnosis/signatures.ts'
import { startAggregator } from '../aggregator/aggregator-process.ts'
import { GrpcSender } from '../aggregator/grpc-sender.ts'
import { SpanSource } from '../aggregator/span-source.ts'
import { readCpu } from '../system/proc.ts'
import { runDir } from '../system/processes.ts'

/** Spans a second, and for how long. */
export interface CostLoad {
  readonly perSecond: number
  readonly seconds: number
}

export interface Cost {
  readonly perSecond: number
  readonly spans: number
  /** CPU of the whole process a span, microseconds. */
  readonly wholeUs: number
  /** Of that, diagnosis. */
  readonly diagnosisUs: number
  /** What it adds to all the rest. */
  readonly adds: number
}

/** Small requests, as those of many sidecars. */
const TRACES_A_REQUEST = 10
const WARM_UP_S = 4
const SETTLE_MS = 3000

/** One aggregator; `off` leaves diagnosis out. CPU is of the process and all of its threads. */
export async function costAt({ perSecond, seconds }: CostLoad, off: boolean): Promise<Cost> {
  const file = join(runDir, `diagnosis-${perSecond}-${off}`)
  const hook = new URL(`cost-hook.js?file=${encodeURIComponent(file)}${off ? '&off' : ''}`, import.meta.url)
  const it = await startAggregator({ walSync: 'never', imports: [hook.href] })
  const spentUs = (): number => (existsSync(file) ? Number(readFileSync(file, 'utf8')) / 1000 : 0)
  const cpuUs = (): number => [...readCpu(it.entry.pid)].reduce((sum, [, ns]) => sum + ns / 1000, 0)
  try {
    await send(it.grpcPort, { perSecond, seconds: WARM_UP_S })
    await sleep(SETTLE_MS)
    const [before, spentBefore] = [cpuUs(), spentUs()]
    const spans = await send(it.grpcPort, { perSecond, seconds })
    await it.stored()
    // The last traces go quiet.
    await sleep(SETTLE_MS)
    const [wholeUs, diagnosisUs] = [(cpuUs() - before) / spans, (spentUs() - spentBefore) / spans]
    return { perSecond, spans, wholeUs, diagnosisUs, adds: diagnosisUs / (wholeUs - diagnosisUs) }
  } finally {
    await it.end()
  }
}

/** At an even pace; gives how many were sent. */
async function send(port: number, { perSecond, seconds }: CostLoad): Promise<number> {
  const source = new SpanSource(TRACES_A_REQUEST)
  const sender = new GrpcSender(port)
  const begun = performance.now()
  const wanted = perSecond * seconds
  const waiting = new Set<Promise<unknown>>()
  let sent = 0
  try {
    while (sent < wanted) {
      const due = Math.min(wanted, ((performance.now() - begun) / 1000) * perSecond)
      while (sent < due) {
        const startNs = BigInt(Math.round((performance.timeOrigin + performance.now() - 100) * 1e6))
        const one = sender.send(source.next(startNs)).finally(() => waiting.delete(one))
        waiting.add(one)
        sent += source.spans
      }
      await sleep(5)
    }
    await Promise.all(waiting)
  } finally {
    sender.close()
  }
  return sent
}

export interface Held {
  readonly signatures: number
  /** One more was refused. */
  readonly bounded: boolean
  /** Bytes of the process for each, buffers and objects. */
  readonly bytesEach: number
}

/** As many signatures as are held, in this process. */
export function heldSignatures(): Held {
  globalThis.gc?.()
  const before = memory()
  const all = new Signatures()
  for (let i = 0; all.refused === 0; i++) {
    const entry = all.at(i % 2 === 0 ? 0 : 1, i % 500, i)
    for (let call = 0; call < 3; call++) {
      const times = { ownUs: 1000 + call, totalUs: 2000 + call, phases: [1, 2, 3, 4, 5, 6] }
      entry?.signature.add({ ...times, failure: 0, visible: false }, 100 + call)
    }
  }
  globalThis.gc?.()
  const bytesEach = (memory() - before) / all.size
  return { signatures: all.size, bounded: all.refused > 0, bytesEach }
}

function memory(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
