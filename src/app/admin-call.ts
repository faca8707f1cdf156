/** `hopscope drain` and `hopscope wait`: what the hooks of a container ask of the proxy beside them. */
import { request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import type { HostPort } from '../config/values.ts'

const CALL_MS = 5000
const POLL_MS = 100

/** Status of the answer; rejects where there is none. */
function call({ host, port }: HostPort, method: string, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(CALL_MS)
    const sent = request({ host, port, method, path, agent: false, signal }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    sent.on('error', reject)
    sent.end()
  })
}

/** Exit code: 0 once clients are told to go elsewhere and `holdMs` have passed, 1 where the proxy did not hear of it. */
export async function runDrain(admin: HostPort, holdMs: number): Promise<number> {
  const status = await call(admin, 'POST', '/drain').catch((error: Error) => error.message)
  if (status !== 202) {
    console.error(`hopscope drain: the admin server at ${admin.host}:${admin.port} said ${status}`)
    return 1
  }
  await pause(holdMs)
  return 0
}

/** Exit code: 0 once the proxy is ready, 1 where it is not within `timeoutMs`. */
export async function runWait(admin: HostPort, timeoutMs: number): Promise<number> {
  const until = performance.now() + timeoutMs
  for (;;) {
    const status = await call(admin, 'GET', '/ready').catch(() => 0)
    if (status === 200) return 0
    if (performance.now() >= until) {
      console.error(`hopscope wait: the proxy was not ready within ${timeoutMs} ms`)
      return 1
    }
    await pause(POLL_MS)
  }
}
