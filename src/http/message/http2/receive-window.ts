/**
 * The window of a connection for what the peer sends (RFC 9113 §5.2). It is given back as bytes come, whoever takes them:
 * a stream that stands still stalls no other. Only when streams hold too much together does it stay shut.
 */
import type { FrameOutput } from './frame-output.ts'
import { DEFAULT_WINDOW } from './frames.ts'

const WINDOW = 1024 * 1024
/** What all streams of a connection may hold together that nobody takes; beyond, the window stays shut. */
const HELD_AT_MOST = 4 * 1024 * 1024
/** The same where all connections of the process hold more than {@link HELD_BY_ALL}. */
const HELD_WHEN_SHORT = 256 * 1024
const HELD_BY_ALL = 64 * 1024 * 1024

let heldByAll = 0

export class ReceiveWindow {
  readonly #output: FrameOutput
  #window = DEFAULT_WINDOW
  /** Received and not given back. */
  #owed = 0
  #held = 0
  #closed = false

  constructor(output: FrameOutput) {
    this.#output = output
  }

  /** Tell the peer of the whole window; once, at the start. */
  open(): void {
    this.#output.windowUpdate(0, WINDOW - this.#window)
    this.#window = WINDOW
  }

  /** Bytes came. False: more than the window. */
  received(flowBytes: number): boolean {
    this.#window -= flowBytes
    this.#owed += flowBytes
    if (this.#window < 0) return false
    this.giveBack()
    return true
  }

  /** Bytes wait in a stream; a negative number: they do so no longer. */
  hold(bytes: number): void {
    this.#held += bytes
    heldByAll += bytes
  }

  /** Streams hold so much that the window stays shut, for all of them, though the process has memory left. */
  get holdsTooMuch(): boolean {
    return this.#held > HELD_AT_MOST && heldByAll <= HELD_BY_ALL
  }

  /** Give back what came, half a window at a time. To be called when streams hold less. */
  giveBack(): void {
    if (this.#owed * 2 < WINDOW || this.#closed) return
    if (this.#held > (heldByAll > HELD_BY_ALL ? HELD_WHEN_SHORT : HELD_AT_MOST)) return
    this.#window += this.#owed
    this.#output.windowUpdate(0, this.#owed)
    this.#owed = 0
  }

  /** Nothing is received any more. */
  close(): void {
    this.#closed = true
  }
}
