/** Stands where the client was: takes the rest of a response that nobody reads any more. */
import type { ResponseHead } from '../core/message.ts'
import type { Deadlined, Sweeper } from '../core/timers.ts'
import type { Downstream, TunnelEnd, TunnelFacts } from './ports.ts'

export class Detached implements Downstream, Deadlined {
  readonly #sweeper: Sweeper
  readonly #onOverdue: () => void
  deadlineUs: number

  /** `onOverdue` is called once if the exchange has not finished at `deadlineUs`. */
  constructor(sweeper: Sweeper, deadlineUs: number, onOverdue: () => void) {
    this.#sweeper = sweeper
    this.#onOverdue = onOverdue
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
  }

  /** Requests that may leave HTTP have no guard, and so are never detached. */
  upgrade(_head: ResponseHead, _upstream: TunnelEnd, closed: (facts: TunnelFacts) => void): void {
    closed({ bytesFromClient: 0, bytesToClient: 0, error: undefined })
  }
}
