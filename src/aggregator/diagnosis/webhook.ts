/** Incidents to a webhook: a POST of JSON for each that is opened, gets another first cause, or is over. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../../core/log.ts'
import type { IncidentChange } from '../store/protocol.ts'
import type { Incident } from './incidents.ts'

export interface WebhookOptions {
  readonly url: string
  readonly log: Logger
  /** Waits between tries, milliseconds; 1 s, 5 s and 30 s by default. */
  readonly waitsMs?: readonly number[]
}

export interface Webhook {
  readonly counters: { sent: number; failed: number; dropped: number }
  send(incident: Incident, change: IncidentChange): void
  /** Tries what waits once more, and ends. */
  close(): Promise<void>
}

const TIMEOUT_MS = 5000
/** Messages that wait; the oldest go first. */
const MAX_WAITING = 100
const WAITS_MS = [1000, 5000, 30_000]

export function startWebhook({ url, log, waitsMs = WAITS_MS }: WebhookOptions): Webhook {
  const counters = { sent: 0, failed: 0, dropped: 0 }
  const waiting: string[] = []
  const closing = new AbortController()
  let running: Promise<void> | undefined
  const deliver = async (body: string): Promise<void> => {
    let fault = ''
    for (const waitMs of [...waitsMs, -1]) {
      fault = await post(url, body)
      if (fault === '') {
        counters.sent++
        return
      }
      if (waitMs < 0 || closing.signal.aborted) break
      await sleep(waitMs, undefined, { signal: closing.signal }).catch(() => {})
    }
    counters.failed++
    log.warn({ url, fault }, 'an incident did not reach the webhook')
  }
  const run = async (): Promise<void> => {
    // One after the other: "over" must not overtake "opened".
    for (let body = waiting.shift(); body !== undefined; body = waiting.shift()) await deliver(body)
    running = undefined
  }
  return {
    counters,
    send: (incident, change) => {
      if (waiting.length >= MAX_WAITING) {
        waiting.shift()
        counters.dropped++
      }
      waiting.push(JSON.stringify({ event: `incident.${change}`, incident }))
      running ??= run()
    },
    close: async () => {
      closing.abort()
      await running
    },
  }
}

/** '' where it was taken; else why not. */
async function post(url: string, body: string): Promise<string> {
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    const headers = { 'content-type': 'application/json', 'user-agent': 'hopscope' }
    const response = await fetch(url, { method: 'POST', headers, body, signal, redirect: 'error' })
    await response.body?.cancel()
    return response.ok ? '' : `status ${response.status}`
  } catch (error) {
    const { message, cause } = error as Error
    return cause instanceof Error ? `${message}: ${cause.message}` : message
  }
}
