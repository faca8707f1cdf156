/** The connections of one destination: how many are open, which are idle, who waits. */
import type { Http1Attempt } from './http1-attempt.ts'
import type { Http1Connection } from './http1-connection.ts'

export class DestinationPool {
  /** Last in, first out: the warmest connection is used, the rest can time out. */
  readonly #idle: Http1Connection[] = []
  readonly waiting: Http1Attempt[] = []
  readonly #onEmpty: () => void
  /** Connections open or being dialled. */
  open = 0

  /** `onEmpty`: nothing is left, the pool can be forgotten. */
  constructor(onEmpty: () => void) {
    this.#onEmpty = onEmpty
  }

  takeIdle(now: number): Http1Connection | undefined {
    for (let found = this.#idle.pop(); found !== undefined; found = this.#idle.pop()) {
      if (found.usable(now)) return found
      found.destroy()
    }
    return undefined
  }

  keepIdle(connection: Http1Connection): void {
    this.#idle.push(connection)
  }

  forget(connection: Http1Connection): void {
    const at = this.#idle.indexOf(connection)
    if (at !== -1) this.#idle.splice(at, 1)
  }

  stopWaiting(attempt: Http1Attempt): void {
    const at = this.waiting.indexOf(attempt)
    if (at !== -1) this.waiting.splice(at, 1)
  }

  closeIdle(): void {
    for (const connection of this.#idle.splice(0)) connection.destroy()
  }

  retire(): void {
    if (this.open === 0 && this.waiting.length === 0) this.#onEmpty()
  }
}
