/** Takes one sample: load on one peer, its CPU and memory, and its spans where it exports them. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Load, runLoad } from '../load/run-load.ts'
import { statusOf, waitForSpans } from '../peers/collector-process.ts'
import type { RunningPeer } from '../peers/peers.ts'
import { cpuBetween, readCpu, readRssMiB } from '../system/proc.ts'
import type { Workload } from '../workloads.ts'
import type { Phase, Sample, SpanBalance } from './sample.ts'

/** What to run against the peer. */
export interface Step {
  readonly workload: Workload
  readonly phase: Phase
  readonly round: number
  readonly connections: number
  readonly seconds: number
  /** 0 for as fast as it goes. */
  readonly perSecond: number
}

/** Work that a proxy still does after the last response (exports, timers) is counted for at least this long. */
const SETTLE_MS = 250
/** A collector that takes nothing for this long will take no more. An exporter's batch delay is 5 s by default. */
const SPAN_PATIENCE_MS = 6000

/** Throws when the load can't be run. */
export async function measure(peer: RunningPeer, step: Step): Promise<Sample> {
  const pid = peer.entry?.pid
  const spansBefore = peer.collector && (await statusOf(peer.collector))
  const cpuBefore = pid === undefined ? undefined : readCpu(pid)
  const watch = pid === undefined ? undefined : watchMemory(pid)
  let load: Load
  let rssMiB: number | undefined
  try {
    load = await runLoad({
      port: peer.port,
      path: step.workload.path,
      connections: step.connections,
      seconds: step.seconds,
      perSecond: step.perSecond,
    })
  } finally {
    rssMiB = watch?.()
  }
  const cpuAtEnd = pid === undefined ? undefined : readCpu(pid)
  const spans = await balanceOf(peer, load, spansBefore?.spans ?? 0, spansBefore?.distinctSpans ?? 0)
  if (spans === undefined && pid !== undefined) await sleep(SETTLE_MS)
  return {
    peer: peer.name,
    workload: step.workload.name,
    phase: step.phase,
    round: step.round,
    requests: load.requests,
    failed: load.failed,
    perSecond: load.requests / (load.durationUs / 1e6),
    p50Us: load.p50Us,
    p99Us: load.p99Us,
    ...(step.perSecond > 0 ? { punctualShare: load.punctualShare, generatorBusy: load.generatorBusy } : {}),
    ...(rssMiB === undefined ? {} : { rssMiB }),
    ...(spans === undefined ? {} : { spans }),
    ...(pid === undefined ? {} : cpuFigures(load, cpuBefore!, cpuAtEnd!, readCpu(pid))),
  }
}

function cpuFigures(load: Load, before: Map<number, number>, atEnd: Map<number, number>, after: Map<number, number>) {
  const all = cpuBetween(before, after)
  return {
    cpuWholeUs: all.wholeUs / load.requests,
    cpuDataThreadUs: all.dataThreadUs / load.requests,
    coreBusy: cpuBetween(before, atEnd).wholeUs / load.durationUs,
  }
}

async function balanceOf(
  peer: RunningPeer,
  load: Load,
  spans: number,
  distinct: number,
): Promise<SpanBalance | undefined> {
  if (peer.collector === undefined) return undefined
  const status = await waitForSpans(peer.collector, spans + load.requests, SPAN_PATIENCE_MS)
  return {
    atLeast: load.requests,
    atMost: load.requests + load.cutOff,
    acknowledged: status.spans - spans,
    distinct: status.isDistinctFull ? Number.NaN : status.distinctSpans - distinct,
  }
}

/** Greatest resident memory while it watches. */
function watchMemory(pid: number): () => number {
  let most = readRssMiB(pid)
  const timer = setInterval(() => {
    most = Math.max(most, readRssMiB(pid))
  }, 200)
  return () => {
    clearInterval(timer)
    return Math.max(most, readRssMiB(pid))
  }
}
