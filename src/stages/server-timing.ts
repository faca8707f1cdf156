/** Server-Timing on responses: the phases of this hop up to the response head, in a browser's network panel. */
import { nowUs } from '../core/clock.ts'
import { type Exchange, PHASES, phaseUs } from '../exchange/exchange.ts'
import type { Stage } from '../exchange/stage.ts'

export function serverTiming(): Stage {
  return {
    name: 'server-timing',
    role: 'observe',
    onResponseHead(x, head) {
      // A phase that failed has no end of its own: the answer that says so is where it ended.
      const now = nowUs()
      const parts: string[] = []
      const add = (name: string, us: number): void => {
        if (us >= 0) parts.push(`hopscope-${name};dur=${(us / 1000).toFixed(3)}`)
      }
      add('retry', retriedUs(x))
      for (const phase of PHASES) if (phase !== 'receive') add(phase, phaseUs(x.timing, phase, now))
      if (parts.length > 0) head.headers.appendOwn('Server-Timing', parts.join(', '))
      return undefined
    },
  }
}

/** What attempts before the last one took, -1 where there was none: phases are those of the last. */
function retriedUs({ attemptLog }: Exchange): number {
  return attemptLog === undefined ? -1 : attemptLog.at(-1)!.endUs - attemptLog[0]!.startUs
}
