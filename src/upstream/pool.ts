/** The connections of one destination: how many are open, which are idle, who waits. */
import type { Http1Attempt } from './http1-attempt.ts'
import type { Http1Connection } from './http1-connection.ts'
import type { WaitingLine } from './waiting-line.ts'

export class DestinationPool {
  /** Last in, first out: the warmest connection is used, the rest can time out. */
  readonly #idle: Http1Connection[] = []
  readonly waiting: WaitingLine<Http1Attempt>
  readonly #onEmpty: () => void
  /** All that stand, those kept for one client included. */
  readonly #connections = new Set<Http1Connection>()
  /** Connections being dialled. */
  dialling = 0

  /** `onEmpty`: nothing is left, the pool can be forgotten. */
  constructor(waiting: WaitingLine<Http1Attempt>, onEmpty: () => void) {
    this.waiting = waiting
    this.#onEmpty = onEmpty
  }

  /** Connections open or being dialled. */
  get open(): number {
    return this.#connections.size + this.dialling
  }

  add(connection: Http1Connection): void {
    this.#connections.add(connection)
  }

  /** Close the connection that has been idle longest, whoever it is kept for. False: none is idle. */
  evict(): boolean {
    let oldest: Http1Connection | undefined
    for (const one of this.#connections) {
      if (one.idle && (oldest === undefined || one.idleSinceUs < oldest.idleSinceUs)) oldest = one
    }
    if (oldest === undefined) return false
    this.forget(oldest)
    oldest.destroy()
    return true
  }

  takeIdle(now: number): Http1Connection | undefined {
    for (let found = this.#idle.pop(); found !== undefined; found = this.#idle.pop()) {
      if (found.usable(now)) return found
      found.destroy()
    }
    return undefined
  }

  /** Of those that anyone may use. */
  closeOldestIdle(): void {
    this.#idle.shift()?.destroy()
  }

  keepIdle(connection: Http1Connection): void {
    this.#idle.push(connection)
  }

  /** It is closed, or about to be. */
  forget(connection: Http1Connection): void {
    this.#connections.delete(connection)
    const at = this.#idle.indexOf(connection)
    if (at !== -1) this.#idle.splice(at, 1)
  }

  closeIdle(): void {
    for (const connection of this.#idle.splice(0)) connection.destroy()
  }

  retire(): void {
    if (this.open === 0 && this.waiting.length === 0) this.#onEmpty()
  }
}
