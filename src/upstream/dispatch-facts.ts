/**
 * What undici's handler does not tell: the socket that a request goes out on, and whether it was used before. Its
 * diagnostics channels do; they are known by name to every version, and shared by all undici in the process, so that only
 * requests made within {@link DispatchFacts.during} are looked at.
 */
import { channel } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import { nowUs } from '../core/clock.ts'

/** Told when the head of its request is about to be written. */
export interface FactsReceiver {
  onSocket(socket: Socket, reused: boolean, openedUs: number, headBytes: number): void
}

interface Created {
  readonly request: object
}

interface Sending {
  readonly request: object
  readonly headers: string
  readonly socket: Socket
}

const CREATE = channel('undici:request:create')
const SEND = channel('undici:client:sendHeaders')

export class DispatchFacts {
  #dispatching: FactsReceiver | undefined
  readonly #receivers = new WeakMap<object, FactsReceiver>()
  /** When a socket was first written to, monotonic microseconds. */
  readonly #opened = new WeakMap<Socket, number>()

  constructor() {
    CREATE.subscribe(this.#onCreate)
    SEND.subscribe(this.#onSend)
  }

  close(): void {
    CREATE.unsubscribe(this.#onCreate)
    SEND.unsubscribe(this.#onSend)
  }

  /** Requests that are made in `dispatch` are `receiver`'s. */
  during(receiver: FactsReceiver, dispatch: () => void): void {
    this.#dispatching = receiver
    try {
      dispatch()
    } finally {
      this.#dispatching = undefined
    }
  }

  readonly #onCreate = (message: unknown): void => {
    if (this.#dispatching !== undefined) this.#receivers.set((message as Created).request, this.#dispatching)
  }

  readonly #onSend = (message: unknown): void => {
    const { request, headers, socket } = message as Sending
    const receiver = this.#receivers.get(request)
    if (receiver === undefined) return
    const before = this.#opened.get(socket)
    const openedUs = before ?? nowUs()
    if (before === undefined) this.#opened.set(socket, openedUs)
    receiver.onSocket(socket, before !== undefined, openedUs, headers.length)
  }
}
