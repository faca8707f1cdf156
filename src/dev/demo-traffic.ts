/** A little traffic for the demo, as two or three people at their browsers would make. */
import { Agent, type ClientRequest, request } from 'node:http'

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
  let timer: NodeJS.Timeout | undefined
  let isStopped = false
  const call = (path: string, headers: Record<string, string> = {}): ClientRequest => {
    const outgoing = request(url + path, { agent, headers, timeout: CALL_TIMEOUT_MS })
    outgoing.on('response', (response) => response.resume())
    outgoing.on('timeout', () => outgoing.destroy())
    // A failed call is what the demo is to show; the waterfall shows it.
    outgoing.on('error', () => {})
    outgoing.end()
    return outgoing
  }
  const next = (): void => void call(PATHS[calls++ % PATHS.length]!)
  // The first one to be seen goes as soon as all is warm: somebody is waiting for it.
  call('/orders/0', WARMING_UP).once('close', () => {
    if (isStopped) return
    next()
    timer = setInterval(next, everyMs)
  })
  return {
    stop: () => {
      isStopped = true
      clearInterval(timer)
      agent.destroy()
    },
  }
}
