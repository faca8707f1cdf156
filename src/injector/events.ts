/** An Event at the owner of a pod that got no sidecar, since nobody reads the warnings that a controller gets. */

import { randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Logger } from '../core/log.ts'
import type { ApiClient } from './api-client.ts'
import type { InjectorMetrics } from './metrics.ts'
import type { Outcome } from './review.ts'

/** A ReplicaSet that cannot make a pod tries again and again: one Event an owner and reason in this time is enough. */
const REPEAT_MS = 600_000
const REMEMBERED = 4096
const AT_ONCE = 8

export class SkipEvents {
  readonly #api: Pick<ApiClient, 'post'>
  readonly #metrics: InjectorMetrics
  readonly #log: Logger
  readonly #told = new LRUCache<string, true>({ max: REMEMBERED, ttl: REPEAT_MS })
  #underWay = 0

  constructor(api: Pick<ApiClient, 'post'>, metrics: InjectorMetrics, log: Logger) {
    this.#api = api
    this.#metrics = metrics
    this.#log = log
  }

  /** Tells of it where there is something to tell and somewhere to tell it. Never throws, never waits. */
  tell(outcome: Outcome): void {
    const { owner, message, dryRun, namespace, reason } = outcome
    if (message === '' || dryRun || owner === undefined || namespace === '') return
    const key = `${owner.uid} ${reason}`
    if (this.#told.has(key)) return
    if (this.#underWay >= AT_ONCE) {
      this.#metrics.event('left_out')
      return
    }
    this.#told.set(key, true)
    void this.#write(outcome, key)
  }

  async #write(outcome: Outcome, key: string): Promise<void> {
    this.#underWay++
    try {
      const { status } = await this.#api.post(`/api/v1/namespaces/${outcome.namespace}/events`, eventOf(outcome))
      if (status !== 201) throw new Error(`the API server answered ${status}`)
      this.#metrics.event('written')
    } catch (error) {
      this.#told.delete(key)
      this.#metrics.event('failed')
      this.#log.warn({ err: error, namespace: outcome.namespace }, 'an Event could not be written')
    } finally {
      this.#underWay--
    }
  }
}

/** Event of core/v1. */
export function eventOf({ owner, namespace, name, reason, message, result }: Outcome, now = new Date()): object {
  const { apiVersion, kind, name: ownerName, uid } = owner!
  const at = now.toISOString().replace(/\.\d+Z$/, 'Z')
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: `${ownerName.slice(0, 200)}.${randomBytes(8).toString('hex')}`, namespace },
    involvedObject: { apiVersion, kind, name: ownerName, namespace, uid },
    reason: result === 'denied' ? 'InjectionDenied' : 'InjectionSkipped',
    message: `${message} (${reason}; pod ${name})`.slice(0, 1024),
    type: 'Warning',
    firstTimestamp: at,
    lastTimestamp: at,
    count: 1,
    source: { component: 'hopscope-injector' },
  }
}
