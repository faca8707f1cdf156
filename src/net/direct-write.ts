/**
 * Writes on a TCP connection's handle, past the stream above it. Nearly every write of a proxy is small and taken by the
 * kernel at once; the stream makes a request object, a state and a turn of its queue of each, which is a tenth of what a
 * proxied request costs (ADR 54). Where the handle is not as we know it, nothing is written here, and the stream does it.
 */
import type { Socket } from 'node:net'
import { getSystemErrorName } from 'node:util'
import { handleOf, type RawHandle } from './raw-handle.ts'

/** Node's request of a write under way. One that was finished at once can be used again. */
interface WriteRequest {
  /** Before the handle holds on to it, which it does where the write is not finished at once: {@link UNUSED}. */
  getAsyncId(): number
  oncomplete?: ((status: number) => void) | null
  /** Held until the kernel has it. */
  buffer?: Buffer | null
}

/**
 * A handle of libuv's streams, as node:net calls it. Both give 0 or a negative errno; up to Node 24 they want a request in
 * any case, since 26 they take none and give one where the write is not finished at once.
 */
interface StreamHandle extends RawHandle {
  writeLatin1String(request: WriteRequest | null, text: string): number | WriteRequest
  writeBuffer(request: WriteRequest | null, bytes: Buffer): number | WriteRequest
}

export interface DirectWriterEvents {
  /** All that was written has left. */
  onTaken(): void
}

const UNUSED = -1

/** A request for a write; null where the handle wants none. Nowhere public: learnt from the first write of node:net. */
let makeRequest: (() => WriteRequest | null) | undefined
/** The next request, where the last one was finished at once. */
let spare: WriteRequest | null = null
/** Requests here are none that we know. */
let isUnknown = false

export class DirectWriter {
  readonly #socket: Socket
  #handle: StreamHandle
  readonly #events: DirectWriterEvents
  /** Bytes of writes that the kernel has not taken to their end. */
  pendingBytes = 0
  #failed = false
  #begun = false

  private constructor(socket: Socket, handle: StreamHandle, events: DirectWriterEvents) {
    this.#socket = socket
    this.#handle = handle
    this.#events = events
  }

  /** Undefined where the socket is not plain TCP on a handle that we know. */
  static on(socket: Socket, events: DirectWriterEvents): DirectWriter | undefined {
    const handle = handleOf(socket) as StreamHandle | null
    if (handle === null || handle._parent !== undefined || 'encrypted' in socket) return undefined
    const known =
      !isUnknown && typeof handle.writeLatin1String === 'function' && typeof handle.writeBuffer === 'function'
    return known ? new DirectWriter(socket, handle, events) : undefined
  }

  /** False: it is the stream's to write, which has not connected yet, or has something before it. */
  write(data: string | Buffer): boolean {
    const socket = this.#socket
    if (socket.destroyed || !this.#mayBegin(socket)) return false
    // Its failure is on the way; until then what is written is lost, as behind any broken connection.
    if (this.#failed) return true
    if (makeRequest === undefined) {
      if (!isUnknown) learnRequest(this.#handle)
      return false
    }
    const request = spare ?? makeRequest()
    spare = null
    const handle = this.#handle
    const result =
      typeof data === 'string' ? handle.writeLatin1String(request, data) : handle.writeBuffer(request, data)
    if (result !== 0) this.#notAtOnce(result, data)
    // An empty queue does not say it: what a second try of libuv wrote is out, and its request still awaits its end.
    else if (request === null || request.getAsyncId() === UNUSED) spare = request
    else this.#wait(request, data)
    return true
  }

  /** Once it has begun, nothing goes by the stream any more. */
  #mayBegin(socket: Socket): boolean {
    if (this.#begun) return true
    if (socket.connecting || socket.writableLength > 0) return false
    const handle = handleOf(socket)
    if (handle === null) return false
    // Happy eyeballs makes a handle for each address: the last one is connected.
    this.#handle = handle as StreamHandle
    this.#begun = true
    return true
  }

  #notAtOnce(result: number | WriteRequest, data: string | Buffer): void {
    if (typeof result === 'number') this.#fail(result)
    else this.#wait(result, data)
  }

  #wait(request: WriteRequest, data: string | Buffer): void {
    const bytes = data.length
    this.pendingBytes += bytes
    if (typeof data !== 'string') request.buffer = data
    request.oncomplete = (status) => {
      this.pendingBytes -= bytes
      if (this.#socket.destroyed) return
      if (status < 0) this.#fail(status)
      else if (this.pendingBytes === 0) this.#events.onTaken()
    }
  }

  /** Told as the stream would tell it, not within the write. */
  #fail(errno: number): void {
    if (this.#failed) return
    this.#failed = true
    const code = getSystemErrorName(errno)
    const error = Object.assign(new Error(`write ${code}`), { errno, code, syscall: 'write' })
    process.nextTick(() => this.#socket.destroy(error))
  }
}

/** Looks at the next write that node:net makes on the handle. */
function learnRequest(handle: StreamHandle): void {
  const own = handle as { writeLatin1String?: unknown; writeBuffer?: unknown }
  const watched = (name: 'writeLatin1String' | 'writeBuffer'): void => {
    const write = handle[name] as (request: WriteRequest | null, data: never) => number | WriteRequest
    own[name] = function (this: StreamHandle, request: WriteRequest | null, data: never): number | WriteRequest {
      makeRequest = makerOf(request)
      delete own.writeLatin1String
      delete own.writeBuffer
      return write.call(this, request, data)
    }
  }
  watched('writeLatin1String')
  watched('writeBuffer')
}

function makerOf(request: WriteRequest | null): (() => WriteRequest | null) | undefined {
  if (request === null) return () => null
  const Request = request.constructor as new () => WriteRequest
  isUnknown = typeof request.getAsyncId !== 'function' || request.getAsyncId() !== UNUSED
  return isUnknown ? undefined : () => new Request()
}
