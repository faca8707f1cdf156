/**
 * Before the first bytes of a connection in clear text nobody knows which HTTP it is: HTTP/2 by prior knowledge begins
 * with a preface that no request of HTTP/1 can begin with (RFC 9113 §3.4).
 */
import { nowUs } from '../core/clock.ts'
import type { Deadlined, Sweeper } from '../core/timers.ts'
import type { Wire, WireHandler } from '../net/wire.ts'

/** Enough of the preface to tell it from a method: `PRI ` is none. */
const PREFACE = Buffer.from('PRI ', 'latin1')

export interface FirstBytesOptions {
  readonly sweeper: Sweeper
  /** A client that says nothing, and one that stops in the middle of it; milliseconds. */
  readonly timeouts: { readonly idleMs: number; readonly headMs: number }
  /** It is decided. `early` are the bytes that were read. Must set the wire's handler. */
  readonly onDecided: (protocol: 'http1' | 'h2', early: Buffer, start: number, end: number) => void
  readonly onClosed: () => void
}

export class FirstBytes implements WireHandler, Deadlined {
  readonly #wire: Wire
  readonly #options: FirstBytesOptions
  #held: Buffer | undefined
  deadlineUs: number

  constructor(wire: Wire, options: FirstBytesOptions) {
    this.#wire = wire
    this.#options = options
    this.deadlineUs = nowUs() + options.timeouts.idleMs * 1000
    wire.handler = this
    options.sweeper.add(this)
  }

  onBytes(buf: Buffer, start: number, end: number): void {
    if (this.#held !== undefined) {
      const joined = Buffer.concat([this.#held, buf.subarray(start, end)])
      this.#look(joined, 0, joined.length)
    } else this.#look(buf, start, end)
  }

  #look(buf: Buffer, start: number, end: number): void {
    const length = Math.min(end - start, PREFACE.length)
    for (let i = 0; i < length; i++) {
      if (buf[start + i] === PREFACE[i]) continue
      this.#decide('http1', buf, start, end)
      return
    }
    if (length === PREFACE.length) this.#decide('h2', buf, start, end)
    else {
      this.#held = Buffer.from(buf.subarray(start, end))
      this.deadlineUs = nowUs() + this.#options.timeouts.headMs * 1000
    }
  }

  #decide(protocol: 'http1' | 'h2', buf: Buffer, start: number, end: number): void {
    this.#options.sweeper.remove(this)
    this.#options.onDecided(protocol, buf, start, end)
  }

  /** `PRI` and no more is the beginning of a bad request: HTTP/1 has an answer to that. */
  onEnd(): void {
    if (this.#held === undefined) this.#wire.finish()
    else this.#decide('http1', this.#held, 0, this.#held.length)
  }

  onDrain(): void {}

  onClose(): void {
    this.#options.sweeper.remove(this)
    this.#options.onClosed()
  }

  onDeadline(): void {
    if (this.#held === undefined) this.#wire.destroy()
    else this.#decide('http1', this.#held, 0, this.#held.length)
  }

  /** Nothing was said yet: the connection can go. */
  get idle(): boolean {
    return this.#held === undefined
  }

  /** The proxy goes away: a request may be on its way, so wait for it a moment. */
  drain(ms: number): void {
    this.deadlineUs = Math.min(this.deadlineUs, nowUs() + ms * 1000)
  }
}
