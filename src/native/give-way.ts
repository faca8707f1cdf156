/** The core for whoever waits for it. */
import { libc } from './libc.ts'

/**
 * sched_yield(2) for the calling thread: costs half a microsecond where nobody waits. Gives the milliseconds until the thread
 * had a core again. Nothing happens without FFI.
 */
export function giveWay(): number {
  const calls = libc()
  if ('missing' in calls) return 0
  const before = performance.now()
  calls.schedYield()
  return performance.now() - before
}
