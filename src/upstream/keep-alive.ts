/** How long an upstream connection is kept without use: less than its server keeps it. */

/** Taken off a server's stated keep-alive timeout, for the time that bytes travel. */
const MARGIN_MS = 1000

/** Of one connection. */
export class KeepAlive {
  readonly #ownMs: number
  #limitMs: number
  /** Monotonic microseconds. */
  idleSinceUs: number

  constructor(ownMs: number, openedUs: number) {
    this.#ownMs = ownMs
    this.#limitMs = ownMs
    this.idleSinceUs = openedUs
  }

  /** An exchange is over. `statedMs` is the server's `Keep-Alive: timeout`, 0 for none. */
  begin(now: number, statedMs: number): void {
    this.idleSinceUs = now
    this.#limitMs = statedMs > 0 ? Math.min(this.#ownMs, Math.max(statedMs - MARGIN_MS, 0)) : this.#ownMs
  }

  /** When the server may close it. */
  get endsUs(): number {
    return this.idleSinceUs + this.#limitMs * 1000
  }
}
