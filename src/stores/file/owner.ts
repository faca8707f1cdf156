/** The one process that writes: holds the folder, and performs the calls of the others. */
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import type { FileLock } from '../../native/file-lock.ts'
import type { FileStore } from './file-store.ts'
import {
  type Call,
  decodeCall,
  encodeFailure,
  encodeHello,
  encodeValue,
  FrameReader,
  type Hello,
  misfit,
  perform,
} from './wire.ts'

/** Calls of one connection that are performed at a time; the rest waits in its socket. */
const MOST_CALLS = 1024
/** Answers that wait to be read by the other side. */
const MOST_ANSWER_BYTES = 16 * 1024 * 1024

export class Owner {
  readonly kind = 'owner'
  readonly store: FileStore
  readonly #lock: FileLock
  readonly #server: Server
  readonly #guests = new Map<Socket, Visit>()

  private constructor(store: FileStore, lock: FileLock, hello: Hello) {
    this.store = store
    this.#lock = lock
    this.#server = createServer((socket) => this.#welcome(socket, hello))
  }

  /** The lock is the owner's from here on. */
  static async start(store: FileStore, lock: FileLock, socketPath: string, hello: Hello): Promise<Owner> {
    const owner = new Owner(store, lock, hello)
    // Of one that is gone: who holds the lock is the only one to bind.
    rmSync(socketPath, { force: true })
    // A process of a cluster would have its parent bind, which has neither the path nor the store.
    owner.#server.listen({ path: socketPath, exclusive: true })
    await once(owner.#server, 'listening')
    owner.#server.unref()
    return owner
  }

  #welcome(socket: Socket, hello: Hello): void {
    socket.unref()
    // The other side asks again, of whoever comes next.
    socket.on('error', () => {})
    socket.on('close', () => this.#guests.delete(socket))
    this.#guests.set(socket, new Visit(socket, this.store, hello))
  }

  /** What is not answered is asked again, of the process that takes over. */
  async close(): Promise<void> {
    this.#server.close()
    for (const visit of this.#guests.values()) visit.stop()
    await this.store.close()
    for (const guest of this.#guests.keys()) guest.end()
    this.#lock.release()
  }
}

/** One connection of another process. */
class Visit {
  readonly #socket: Socket
  readonly #store: FileStore
  readonly #reader = new FrameReader()
  readonly #hello: Hello
  #greeted = false
  #stopped = false
  /** Calls that are being performed, less those that only wait. */
  #underWay = 0

  constructor(socket: Socket, store: FileStore, hello: Hello) {
    this.#socket = socket
    this.#store = store
    this.#hello = hello
    socket.write(encodeHello(hello))
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('drain', () => this.#resume())
  }

  /** No call is performed or answered any more. */
  stop(): void {
    this.#stopped = true
    this.#socket.pause()
  }

  #take(chunk: Buffer): void {
    this.#socket.cork()
    try {
      this.#reader.read(chunk, (body) => this.#answer(body))
    } catch {
      // No frame, or no call in it: nothing that follows can be understood either.
      this.#socket.destroy()
    } finally {
      this.#socket.uncork()
    }
    if (this.#isBusy()) this.#socket.pause()
  }

  #answer(body: Buffer): void {
    if (!this.#greeted) {
      // One that does not fit knows so from our hello; it has nothing more to say.
      if (misfit(body, this.#hello) !== undefined) throw new RangeError('of another version')
      this.#greeted = true
      return
    }
    if (!this.#stopped) this.#perform(decodeCall(body))
  }

  #perform({ number, call }: { readonly number: number; readonly call: Call }): void {
    // One that waits for a change waits for other calls, perhaps of this very connection.
    const share = call[0] === 'changed' ? 0 : 1
    this.#underWay += share
    void performed(this.#store, call, number).then((answer) => {
      this.#underWay -= share
      if (!this.#stopped && this.#socket.writable) this.#socket.write(answer)
      this.#resume()
    })
  }

  #isBusy(): boolean {
    return this.#underWay >= MOST_CALLS || this.#socket.writableLength > MOST_ANSWER_BYTES
  }

  #resume(): void {
    if (!this.#stopped && !this.#isBusy()) this.#socket.resume()
  }
}

/** The answer as a frame; a failure is an answer too. */
async function performed(store: FileStore, call: Call, number: number): Promise<Buffer> {
  try {
    return encodeValue(number, await perform(store, call))
  } catch (error) {
    return encodeFailure(number, error)
  }
}
