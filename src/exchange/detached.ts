/** Exchanges that go on without their clients, because their guards want to know the outcome. */
import { nowUs } from '../core/clock.ts'
import type { ErrorCode } from '../core/errors.ts'
import type { ResponseHead } from '../core/message.ts'
import type { Deadlined, Sweeper } from '../core/timers.ts'
import type { Exchange } from './exchange.ts'
import type { Downstream, TunnelEnd, TunnelFacts } from './ports.ts'

/** Ends an exchange for this reason. */
type End = (x: Exchange, code: ErrorCode) => void

export class DetachedExchanges {
  readonly #sweeper: Sweeper
  readonly #limitUs: number
  readonly #end: End
  readonly #all = new Set<Exchange>()

  /** `limitMs`: how long one may go on. */
  constructor(sweeper: Sweeper, limitMs: number, end: End) {
    this.#sweeper = sweeper
    this.#limitUs = limitMs * 1000
    this.#end = end
  }

  /** The client of `x` is gone. */
  add(x: Exchange): void {
    this.#all.add(x)
    const over = (): boolean => this.#all.delete(x)
    x.down = new Detached(this.#sweeper, nowUs() + this.#limitUs, () => this.#end(x, 'exchange_timeout'), over)
  }

  endAll(): void {
    for (const x of this.#all) this.#end(x, 'draining')
  }
}

/** Stands where the client was: takes the rest of a response that nobody reads any more. */
export class Detached implements Downstream, Deadlined {
  readonly #sweeper: Sweeper
  readonly #onOverdue: () => void
  readonly #onFinished: () => void
  deadlineUs: number

  /** `onOverdue` is called once if the exchange has not finished at `deadlineUs`. */
  constructor(sweeper: Sweeper, deadlineUs: number, onOverdue: () => void, onFinished: () => void) {
    this.#sweeper = sweeper
    this.#onOverdue = onOverdue
    this.#onFinished = onFinished
    this.deadlineUs = deadlineUs
    sweeper.add(this)
  }

  onDeadline(): void {
    this.#onOverdue()
  }

  informational(): void {}
  respond(): void {}
  data(): boolean {
    return true
  }
  end(): void {}
  flush(): void {}
  pauseRequest(): void {}
  resumeRequest(): void {}
  abort(): void {}

  finished(): void {
    this.#sweeper.remove(this)
    this.#onFinished()
  }

  /** Requests that may leave HTTP have no guard, and so are never detached. */
  upgrade(_head: ResponseHead, _upstream: TunnelEnd, closed: (facts: TunnelFacts) => void): void {
    closed({ bytesFromClient: 0, bytesToClient: 0, error: undefined })
  }
}
