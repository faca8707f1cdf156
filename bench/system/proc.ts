/** CPU time and memory of a process tree, from /proc (Linux only). */
import { readdirSync, readFileSync } from 'node:fs'

/** CPU time (user and system) of each thread so far, in nanoseconds, by thread id. */
export type CpuByThread = Map<number, number>

/** CPU spent between two readings, in microseconds. */
export interface CpuSpent {
  /** All threads of all processes of the tree. */
  readonly wholeUs: number
  /** The busiest thread: the data thread of a Node proxy, all of a one-threaded peer. */
  readonly dataThreadUs: number
}

/** `pid` and all its descendants. */
export function processTree(pid: number): number[] {
  const found = [pid]
  for (let i = 0; i < found.length; i++) {
    for (const tid of threadsOf(found[i]!)) {
      const children = readText(`/proc/${found[i]}/task/${tid}/children`)
      for (const child of children.split(' ')) if (child !== '') found.push(Number(child))
    }
  }
  return found
}

/**
 * Reads the scheduler's own run time of every thread. It is exact to the nanosecond where `stat` counts in ticks of
 * 10 ms. A thread that ends between two readings is not counted; no peer here ends threads under load.
 */
export function readCpu(pid: number): CpuByThread {
  const times: CpuByThread = new Map()
  for (const process of processTree(pid)) {
    for (const tid of threadsOf(process)) {
      const text = readText(`/proc/${process}/task/${tid}/schedstat`)
      if (text !== '') times.set(tid, Number(text.split(' ')[0]))
    }
  }
  return times
}

/** What was spent from one reading to the other. */
export function cpuBetween(before: CpuByThread, after: CpuByThread): CpuSpent {
  let wholeUs = 0
  let dataThreadUs = 0
  for (const [tid, ns] of after) {
    const us = (ns - (before.get(tid) ?? 0)) / 1000
    wholeUs += us
    if (us > dataThreadUs) dataThreadUs = us
  }
  return { wholeUs, dataThreadUs }
}

/** Resident memory in MiB of the tree's largest process: the one that serves (nginx's worker, not its master). */
export function readRssMiB(pid: number): number {
  let largest = 0
  for (const process of processTree(pid)) {
    const kib = /^VmRSS:\s+(\d+)/m.exec(readText(`/proc/${process}/status`))?.[1]
    if (kib !== undefined) largest = Math.max(largest, Number(kib) / 1024)
  }
  return largest
}

function threadsOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number)
  } catch {
    return [] // ended meanwhile
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1').trim()
  } catch {
    return '' // ended meanwhile
  }
}
