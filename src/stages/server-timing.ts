/** Server-Timing on responses: the phases of this hop up to the response head, in a browser's network panel. */
import { PHASES, phaseUs } from '../exchange/exchange.ts'
import type { Stage } from '../exchange/stage.ts'

export function serverTiming(): Stage {
  return {
    name: 'server-timing',
    role: 'observe',
    onResponseHead(x, head) {
      const parts: string[] = []
      for (const phase of PHASES) {
        if (phase === 'receive') continue
        const us = phaseUs(x.timing, phase)
        if (us >= 0) parts.push(`hopscope-${phase};dur=${(us / 1000).toFixed(3)}`)
      }
      if (parts.length > 0) head.headers.appendOwn('Server-Timing', parts.join(', '))
      return undefined
    },
  }
}
