/** Spans into the aggregator over gRPC, as fast as it acknowledges them after the write-ahead. */
import { setTimeout as sleep } from 'node:timers/promises'
import { readCpu, readRssMiB } from '../system/proc.ts'
import type { AggregatorUnderTest } from './aggregator-process.ts'
import { GrpcSender } from './grpc-sender.ts'
import type { SpanSource } from './span-source.ts'

/** What taking spans came to. CPU is of the whole process until all of them are stored, not acknowledged alone. */
export interface Ingested {
  readonly spans: number
  readonly acknowledgedPerSecond: number
  readonly storedPerSecond: number
  readonly cpuUs: number
  readonly intakeThreadUs: number
  readonly storeThreadUs: number
  readonly peakMiB: number
  /** Requests that were refused and sent again. */
  readonly refused: number
}

const REQUESTS_AT_ONCE = 6
const UNAVAILABLE = 14
const RESOURCE_EXHAUSTED = 8

export async function ingest(it: AggregatorUnderTest, source: SpanSource, spans: number): Promise<Ingested> {
  const { pid } = it.entry
  const before = readCpu(pid)
  let peakMiB = 0
  const sampling = setInterval(() => {
    peakMiB = Math.max(peakMiB, readRssMiB(pid))
  }, 100)
  const begun = performance.now()
  try {
    const { sent, refused } = await sendAll(it.grpcPort, source, spans)
    const acknowledgedS = (performance.now() - begun) / 1000
    await it.stored()
    const storedS = (performance.now() - begun) / 1000
    const spent = [...readCpu(pid)].map(([tid, ns]) => ({ tid, us: (ns - (before.get(tid) ?? 0)) / 1000 }))
    const others = spent.filter(({ tid }) => tid !== pid).map(({ us }) => us)
    return {
      ...{ spans: sent, refused, peakMiB },
      acknowledgedPerSecond: sent / acknowledgedS,
      storedPerSecond: sent / storedS,
      cpuUs: spent.reduce((sum, { us }) => sum + us, 0) / sent,
      intakeThreadUs: (spent.find(({ tid }) => tid === pid)?.us ?? 0) / sent,
      storeThreadUs: Math.max(0, ...others) / sent,
    }
  } finally {
    clearInterval(sampling)
  }
}

async function sendAll(port: number, source: SpanSource, spans: number): Promise<{ sent: number; refused: number }> {
  const sender = new GrpcSender(port)
  const begun = performance.now()
  const wallNs = BigInt(Math.round(performance.timeOrigin + begun)) * 1_000_000n
  let [sent, refused] = [0, 0]
  const pump = async (): Promise<void> => {
    while (sent < spans) {
      sent += source.spans
      const request = source.next(wallNs + BigInt(Math.round((performance.now() - begun) * 1e6)) - 1_000_000_000n)
      for (;;) {
        const { status, message } = await sender.send(request)
        if (status === 0) break
        if (status !== UNAVAILABLE && status !== RESOURCE_EXHAUSTED) throw new Error(`${status} ${message}`)
        refused++
        await sleep(50)
      }
    }
  }
  try {
    await Promise.all(Array.from({ length: REQUESTS_AT_ONCE }, pump))
  } finally {
    sender.close()
  }
  return { sent, refused }
}
