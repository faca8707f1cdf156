/** Calls to the process that writes, from when they are made to their answer, whichever process that will be. */
import { StoreError } from '../store-error.ts'
import { type Answer, type Call, encodeCall } from './wire.ts'

/** Calls that wait for an answer, and their bytes: more are refused. */
const MOST_CALLS = 16_384
const MOST_BYTES = 128 * 1024 * 1024

interface Waiting {
  readonly call: Call
  readonly frame: Buffer
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

export class Calls {
  readonly #waiting = new Map<number, Waiting>()
  #bytes = 0
  #last = 0

  /** `send` gets the frame of the call; undefined while there is nobody to send it to. */
  make(call: Call, send: ((frame: Buffer) => void) | undefined): Promise<unknown> {
    if (this.#waiting.size >= MOST_CALLS || this.#bytes >= MOST_BYTES)
      return Promise.reject(new StoreError('down', 'too many calls wait for the process that writes the file'))
    return new Promise((resolve, reject) => {
      this.#last = (this.#last + 1) % 2 ** 32
      const frame = encodeCall(this.#last, call)
      this.#waiting.set(this.#last, { call, frame, resolve, reject })
      this.#bytes += frame.length
      send?.(frame)
    })
  }

  answer({ number, ok, value }: Answer): void {
    const waiting = this.#take(number)
    if (ok) waiting?.resolve(value)
    else waiting?.reject(value)
  }

  /** Frames of all that wait, in the order in which they were made: for another owner. */
  *frames(): Iterable<Buffer> {
    for (const { frame } of this.#waiting.values()) yield frame
  }

  /** All that wait are answered by `perform`, in their order. */
  settle(perform: (call: Call) => unknown): void {
    for (const number of [...this.#waiting.keys()]) {
      const { call, resolve } = this.#take(number)!
      resolve(new Promise((done) => done(perform(call))))
    }
  }

  reject(error: StoreError): void {
    for (const number of [...this.#waiting.keys()]) this.#take(number)!.reject(error)
  }

  #take(number: number): Waiting | undefined {
    const waiting = this.#waiting.get(number)
    if (waiting === undefined) return undefined
    this.#waiting.delete(number)
    this.#bytes -= waiting.frame.length
    return waiting
  }
}
