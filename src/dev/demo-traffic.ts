/** A little traffic for the demo, as two or three people at their browsers would make. */
import { Agent, request } from 'node:http'

export interface Traffic {
  stop(): void
}

const PATHS = ['/checkout/1', '/orders/1', '/checkout/2', '/checkout/3', '/orders/2', '/checkout/4'] as const
const CALL_TIMEOUT_MS = 5000

/**
 * The first call through a process times the loading of its code: it is made with a trace that is not sampled (W3C
 * Trace Context, trace-flags 00), and so is not drawn.
 */
const WARMING_UP = { traceparent: '00-d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0-d0d0d0d0d0d0d0d0-00' }

/** Call `url` every `everyMs`, whether or not earlier calls were answered; a call takes 5 seconds at most. */
export function startTraffic(url: string, everyMs: number): Traffic {
  const agent = new Agent({ keepAlive: true })
  let calls = 0
  const call = (path: string, headers: Record<string, string> = {}): void => {
    const outgoing = request(url + path, { agent, headers, timeout: CALL_TIMEOUT_MS })
    outgoing.on('response', (response) => response.resume())
    outgoing.on('timeout', () => outgoing.destroy())
    // A failed call is what the demo is to show; the waterfall shows it.
    outgoing.on('error', () => {})
    outgoing.end()
  }
  call('/orders/0', WARMING_UP)
  const timer = setInterval(() => call(PATHS[calls++ % PATHS.length]!), everyMs)
  return {
    stop: () => {
      clearInterval(timer)
      agent.destroy()
    },
  }
}
