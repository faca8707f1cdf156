/**
 * Upstream port over an undici dispatcher: for egress through forward proxies, and for a Dispatcher of the user's. It
 * frames requests, pools connections and resolves names itself; what of that it tells is in the exchange.
 */
import { ProxyError } from '../core/errors.ts'
import type { Sweeper } from '../core/timers.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { Attempt, AttemptEvents, Upstream } from '../exchange/ports.ts'
import type { DialTimeouts } from './dial.ts'
import { longestDialMs } from './dial.ts'
import { DispatchFacts } from './dispatch-facts.ts'
import type { DispatchRoute } from './dispatch-route.ts'
import { UndiciAttempt, type UndiciAttemptOptions } from './undici-attempt.ts'
import { WaitingLine } from './waiting-line.ts'

export interface UndiciUpstreamOptions extends Pick<UndiciAttemptOptions, 'limits' | 'highWater'> {
  readonly route: DispatchRoute
  /** Attempts that may wait for a connection, or for it to be made; more are refused. */
  readonly maxPending: number
  readonly sweeper: Sweeper
  /** Beside those of the response: they bound how long an attempt waits for a connection. */
  readonly timeouts: UndiciAttemptOptions['timeouts'] & DialTimeouts
}

export class UndiciUpstream implements Upstream {
  readonly #options: UndiciUpstreamOptions
  readonly #attempts: UndiciAttemptOptions
  readonly #facts = new DispatchFacts()
  /** For a connection, or for it to be made: undici does not tell the one from the other. */
  readonly #line: WaitingLine<UndiciAttempt>
  /** In queues of undici's, those included that waited too long: they leave when undici comes to them. */
  #waiting = 0

  constructor(options: UndiciUpstreamOptions) {
    this.#options = options
    this.#line = new WaitingLine(options.sweeper, () => longestWaitMs(options.timeouts), giveUp)
    this.#attempts = {
      ...options,
      facts: this.#facts,
      onOver: (attempt) => this.#line.remove(attempt),
      onLeft: () => this.#waiting--,
    }
  }

  attempt(x: Exchange, events: AttemptEvents): Attempt {
    const attempt = new UndiciAttempt(x, events, this.#attempts)
    if (this.#waiting++ >= this.#options.maxPending) {
      attempt.refuse(new ProxyError('overloaded', 'queue', 'too many requests wait for a connection'))
    } else this.#line.push(attempt)
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

/** A dial, and the answer of a forward proxy to CONNECT: each of them fails by its own name before. */
function longestWaitMs(timeouts: DialTimeouts): number {
  return longestDialMs(timeouts) + timeouts.connectMs
}

function giveUp(attempt: UndiciAttempt): void {
  attempt.giveUp(new ProxyError('queue_timeout', 'queue', 'the dispatcher had no connection for it'))
}
