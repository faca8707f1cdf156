/** The CPU that the calling thread has used. What it hands to others (compression, DNS) is not in it. */
import { readFileSync } from 'node:fs'

interface WithThreadCpu {
  threadCpuUsage?: () => { readonly user: number; readonly system: number }
}

/**
 * A clock of this thread’s CPU in microseconds. On a platform that has none, the time that its event loop
 * was busy stands for it: more than its CPU on a machine that is short of cores.
 */
export function threadCpuClock(): () => number {
  // Node 22.19 and 23.9 have a call for it.
  const runtime = process as unknown as WithThreadCpu
  if (runtime.threadCpuUsage !== undefined) {
    const usage = runtime.threadCpuUsage.bind(process)
    return () => {
      const { user, system } = usage()
      return user + system
    }
  }
  return readSchedstat() === undefined ? busyUs : () => readSchedstat() ?? 0
}

/** Linux: nanoseconds on a core, the first number (Documentation/scheduler/sched-stats). */
function readSchedstat(): number | undefined {
  try {
    const nanos = Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[0])
    return nanos > 0 ? nanos / 1000 : undefined
  } catch {
    return undefined
  }
}

const busyUs = (): number => performance.eventLoopUtilization().active * 1000
