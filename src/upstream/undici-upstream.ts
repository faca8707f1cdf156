/**
 * Upstream port over an undici dispatcher: for egress through forward proxies, and for a Dispatcher of the user's. It
 * frames requests, pools connections and resolves names itself; what of that it tells is in the exchange.
 */
import { ProxyError } from '../core/errors.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { Attempt, AttemptEvents, Upstream } from '../exchange/ports.ts'
import { DispatchFacts } from './dispatch-facts.ts'
import type { DispatchRoute } from './dispatch-route.ts'
import { UndiciAttempt, type UndiciAttemptOptions } from './undici-attempt.ts'

export interface UndiciUpstreamOptions extends Pick<UndiciAttemptOptions, 'limits' | 'timeouts' | 'highWater'> {
  readonly route: DispatchRoute
  /** Attempts that may wait for a connection, or for it to be made; more are refused. */
  readonly maxPending: number
}

export class UndiciUpstream implements Upstream {
  readonly #options: UndiciUpstreamOptions
  readonly #attempts: UndiciAttemptOptions
  readonly #facts = new DispatchFacts()
  #waiting = 0

  constructor(options: UndiciUpstreamOptions) {
    this.#options = options
    this.#attempts = { ...options, facts: this.#facts, onLeft: () => this.#waiting-- }
  }

  attempt(x: Exchange, events: AttemptEvents): Attempt {
    const attempt = new UndiciAttempt(x, events, this.#attempts)
    if (this.#waiting++ >= this.#options.maxPending) {
      attempt.refuse(new ProxyError('overloaded', 'queue', 'too many requests wait for a connection'))
    }
    return attempt
  }

  /** Its connections are no client's. */
  clientGone(): void {}

  /** A dispatcher of the user's stays open. */
  close(): void {
    this.#facts.close()
    this.#options.route.close()
  }
}
