/** A process that shares the folder of another: its calls go there. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { StoreError } from '../store-error.ts'
import { type Answer, decodeAnswer, encodeHello, FrameReader, type Hello, misfit } from './wire.ts'

/** An owner that is alive greets at once; one that is busy opening its file later. */
const GREETING_MS = 2000

export interface GuestEvents {
  onAnswer(answer: Answer): void
  /** The owner is gone, or says what cannot be understood. Told once. */
  onClose(): void
}

export class Guest {
  readonly kind = 'guest'
  readonly #socket: Socket
  readonly #reader = new FrameReader()
  readonly #hello: Hello
  #events: GuestEvents | undefined

  private constructor(socket: Socket, hello: Hello) {
    this.#socket = socket
    this.#hello = hello
  }

  /** Rejects with the errno of connect, or with a StoreError where the owner is not one for us. */
  static async connect(socketPath: string, hello: Hello, events: GuestEvents): Promise<Guest> {
    const socket = connect(socketPath)
    const guest = new Guest(socket, hello)
    try {
      await once(socket, 'connect')
      socket.write(encodeHello(hello))
      await guest.#greeting()
    } catch (error) {
      socket.destroy()
      throw error
    }
    guest.#events = events
    return guest
  }

  #greeting(): Promise<void> {
    return new Promise((resolve, reject) => {
      const failed = (error: unknown): void => {
        clearTimeout(timer)
        reject(error)
      }
      const timer = setTimeout(() => failed(new StoreError('down', 'the process that has it is silent')), GREETING_MS)
      this.#socket.on('error', failed)
      this.#socket.on('close', () => {
        // It is about to end, or has just: not a reason to refuse calls, as a misfit is.
        failed(Object.assign(new Error('the process that has it hung up'), { code: 'ECONNRESET' }))
        this.#events?.onClose()
      })
      let greeted = false
      this.#socket.on('data', (chunk: Buffer) => {
        this.#take(chunk, (body) => {
          if (greeted) return this.#events?.onAnswer(decodeAnswer(body))
          greeted = true
          const why = misfit(body, this.#hello)
          if (why !== undefined) return failed(new StoreError('down', why))
          clearTimeout(timer)
          resolve()
        })
      })
    })
  }

  #take(chunk: Buffer, onBody: (body: Buffer) => void): void {
    try {
      this.#reader.read(chunk, onBody)
    } catch {
      this.#socket.destroy()
    }
  }

  /** Frames of one turn leave together. */
  send(frame: Buffer): void {
    if (this.#socket.writableCorked === 0) {
      this.#socket.cork()
      process.nextTick(() => this.#socket.uncork())
    }
    this.#socket.write(frame)
  }

  close(): void {
    this.#events = undefined
    this.#socket.destroy()
  }
}
