/**
 * One socket, as the data path wants it: bytes come in one shared read buffer, text and byte ranges go out, and
 * everything that can happen to it arrives at one handler. All wires of the process read into the same memory, since
 * a read is parsed before the next one begins; what must outlive the call is copied.
 */
import { readSync } from 'node:fs'
import { connect, Socket, type TcpNetConnectOpts } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { TlsFacts } from '../core/tls-facts.ts'
import { DirectWriter } from './direct-write.ts'
import { handleOf, queuedIn, type RawHandle, resetSocket, takeHandle } from './raw-handle.ts'
import { forgetSlab, giveSlab, takeSlab } from './slabs.ts'

/** Read size. Larger reads mean fewer system calls for bulk bodies; the memory is one buffer for all wires. */
const READ_BYTES = 128 * 1024
const readBuffer = Buffer.allocUnsafeSlow(READ_BYTES)

const NOTHING = Buffer.alloc(0)

/** Receives what happens on a wire. */
export interface WireHandler {
  /** `buf[start, end)` came; it is overwritten after the call returns. */
  onBytes(buf: Buffer, start: number, end: number): void
  /** The peer sent FIN; our side may still write. */
  onEnd(): void
  /** All that was written has left. */
  onDrain(): void
  /** The socket is gone, with the error that ended it, if any. Called once, last. */
  onClose(error: Error | undefined): void
}

/** Two-way bytes with backpressure, as a tunnel needs them: a socket, or a stream of HTTP/2. */
export interface ByteChannel {
  handler: WireHandler
  readonly closed: boolean
  /** The peer's side is complete. */
  readonly ended: boolean
  /** Too much waits: stop writing until `onDrain`. */
  readonly full: boolean
  writeCopy(buf: Buffer, start: number, end: number): void
  pause(): void
  resume(): void
  finish(): void
  destroy(): void
  reset(): void
  /** Have it found out, after each `everyMs` of silence, whether the peer is still there. */
  watchPeer(everyMs: number): void
  /** After the peer's FIN nothing is read, so that its end goes unseen: bring it out, as a close. */
  checkPeer(): void
}

/** Takes bytes before anyone is interested: nothing may come while no handler is set. */
const noHandler: WireHandler = {
  onBytes: () => {},
  onEnd: () => {},
  onDrain: () => {},
  onClose: () => {},
}

/** Reading into the shared buffer, as `node:net` and `node:tls` take it. */
export interface OnRead {
  readonly buffer: Buffer
  readonly callback: (bytes: number, buf: Uint8Array) => boolean
}

/** With what Node has and does not tell of. */
type NetSocketOptions = ConstructorParameters<typeof Socket>[0]

let onFault: (error: unknown) => void = (error) => {
  throw error
}

/**
 * What a handler throws ends its own connection and is told here, so that no bytes of one peer can end the process.
 * Without it the error is thrown on.
 */
export function onHandlerFault(tell: (error: unknown) => void): void {
  onFault = tell
}

/** A connected or connecting socket. */
export class Wire implements ByteChannel {
  #socket: Socket
  handler: WireHandler = noHandler
  /** Called once when the socket is gone, whoever the handler is; for who counts connections. */
  onGone: (() => unknown) | undefined
  /** Bytes are encrypted below. */
  secure = false
  /** How, once the handshake is done. */
  tls: TlsFacts | undefined
  bytesRead = 0
  bytesWritten = 0
  /** Bytes at which {@link full} says so. */
  readonly #highWater: number
  #error: Error | undefined
  closed = false
  ended = false
  #waiting = false
  /** Slabs with bytes that have not left yet. */
  readonly #slabs: Buffer[] = []
  #direct: DirectWriter | undefined

  private constructor(make: (wire: Wire) => Socket, highWater: number) {
    this.#highWater = highWater
    this.#socket = make(this)
    this.#attach(this.#socket)
  }

  /** The socket below; another one once {@link encrypt} was called. */
  get socket(): Socket {
    return this.#socket
  }

  #attach(socket: Socket): void {
    this.#direct = DirectWriter.on(socket, this)
    socket.on('end', () => {
      if (socket !== this.#socket) return
      this.ended = true
      this.#guard(() => this.handler.onEnd())
    })
    socket.on('error', (error) => {
      this.#error ??= error
      // A TLS socket tells of a fault in its records, and stays as it is.
      if (!socket.destroyed) socket.destroy()
    })
    socket.on('close', () => {
      if (this.closed || socket !== this.#socket) return
      this.closed = true
      // The kernel may not have let go of them: they go with the socket.
      for (const _slab of this.#slabs.splice(0)) forgetSlab()
      this.onGone?.()
      this.#guard(() => this.handler.onClose(this.#error))
    })
  }

  /**
   * Go on over TLS: `make` puts a TLS socket on the connection's handle that reads by `onread`. Nothing may have been
   * written before; what was read before is the business of `make`.
   */
  encrypt(make: (handle: object, onread: OnRead) => TLSSocket): void {
    const clear = this.#socket
    // Pausing stops reads in the kernel; the TLS socket begins them anew.
    clear.pause()
    const handle = takeHandle(clear)
    if (handle === null) return
    this.#socket = make(handle, this.#onread())
    this.secure = true
    this.#attach(this.#socket)
    clear.destroy()
  }

  /** Take over the handle of an accepted connection that does not read yet, reading into the shared buffer. Starts paused. */
  static accept(handle: RawHandle, highWater: number): Wire {
    const options = { handle, allowHalfOpen: true, pauseOnCreate: true }
    if (handle.useUserBuffer === undefined) return Wire.over(new Socket(options as NetSocketOptions), highWater)
    return new Wire((wire) => new Socket({ ...options, onread: wire.#onread() } as NetSocketOptions), highWater)
  }

  /** Dial. `onConnect` and errors come through the socket's own events. */
  static dial(options: TcpNetConnectOpts, highWater: number): Wire {
    const wire = new Wire(
      (made) => connect({ ...options, allowHalfOpen: true, noDelay: true, onread: made.#onread() }),
      highWater,
    )
    wire.#readRestOnWriteError()
    return wire
  }

  /**
   * A server may answer an upload early and close: our next write fails, and node:net then closes the socket with the
   * answer unread in the kernel. Read it before the descriptor goes.
   */
  #readRestOnWriteError(): void {
    const socket = this.socket as Socket & {
      _destroy(error: Error | null, callback: (error?: Error | null) => void): void
    }
    const destroy = socket._destroy.bind(socket)
    socket._destroy = (error, callback) => {
      if (error !== null && !this.closed && this.fd >= 0) this.#readRest(this.fd)
      destroy(error, callback)
    }
  }

  #readRest(fd: number): void {
    const rest = Buffer.allocUnsafe(READ_BYTES)
    try {
      for (let bytes = readSync(fd, rest); bytes > 0; bytes = readSync(fd, rest)) this.#received(rest, bytes)
    } catch {
      // EAGAIN or ECONNRESET: there is no more, and the error that brought us here is reported by the socket.
    }
  }

  /** Dial by TLS: `make` gives a connecting socket that reads by `onread`. */
  static dialSecure(make: (onread: OnRead) => TLSSocket, highWater: number): Wire {
    const wire = new Wire((made) => make(made.#onread()), highWater)
    wire.secure = true
    return wire
  }

  /** Take over any socket, with what was put back into it: it is read by events. */
  static over(socket: Socket, highWater: number): Wire {
    const wire = new Wire(() => socket, highWater)
    socket.on('data', (chunk: Buffer) => wire.#received(chunk, chunk.length))
    return wire
  }

  #onread(): OnRead {
    return {
      buffer: readBuffer,
      callback: (bytes) => {
        this.#received(readBuffer, bytes)
        return !this.socket.isPaused()
      },
    }
  }

  #received(buf: Buffer, bytes: number): void {
    this.bytesRead += bytes
    try {
      this.handler.onBytes(buf, 0, bytes)
    } catch (error) {
      this.#fault(error)
    }
  }

  #guard(event: () => void): void {
    try {
      event()
    } catch (error) {
      this.#fault(error)
    }
  }

  #fault(error: unknown): void {
    this.reset()
    onFault(error)
  }

  /** File descriptor, -1 where the platform or the state gives none. */
  get fd(): number {
    return handleOf(this.socket)?.fd ?? -1
  }

  /** Bytes written that the kernel has not taken yet. */
  get pendingBytes(): number {
    return this.#socket.writableLength + (this.#direct?.pendingBytes ?? 0)
  }

  /** Like {@link pendingBytes}, but seen below the stream: it falls with every part of a write that the peer takes. */
  get queuedBytes(): number {
    return queuedIn(this.socket)
  }

  /**
   * A number that changes with every byte the peer takes. {@link queuedBytes} alone does not: a piece may leave and the
   * next of the same size take its place between two looks.
   */
  get takenMark(): number {
    return this.bytesWritten - this.socket.writableLength - this.queuedBytes
  }

  /** Write latin1 text. */
  writeText(text: string): void {
    if (this.closed || this.socket.writableEnded) return
    this.bytesWritten += text.length
    if (this.#direct?.write(text) === true) return
    if (this.#watchesWrite()) this.socket.write(text, 'latin1', this.#flushed)
    else this.socket.write(text, 'latin1')
    this.#watch()
  }

  /** Write a copy of `buf[start, end)`. */
  writeCopy(buf: Buffer, start: number, end: number): void {
    this.writeFramed('', buf, start, end, '')
  }

  /** Write latin1 text, a copy of `buf[start, end)`, and latin1 text behind it, as one. */
  writeFramed(before: string, buf: Buffer, start: number, end: number, after: string): void {
    if (this.closed || this.socket.writableEnded) return
    const size = before.length + (end - start) + after.length
    const slab = takeSlab(size)
    const out = slab === undefined ? Buffer.allocUnsafe(size) : slab.subarray(0, size)
    if (before !== '') out.write(before, 0, 'latin1')
    buf.copy(out, before.length, start, end)
    if (after !== '') out.write(after, size - after.length, 'latin1')
    this.#writeBuffer(out)
    if (slab !== undefined) this.#written(slab)
  }

  #writeBuffer(bytes: Buffer): void {
    this.bytesWritten += bytes.length
    if (this.#direct?.write(bytes) === true) return
    if (this.#watchesWrite()) this.socket.write(bytes, this.#flushed)
    else this.socket.write(bytes)
    this.#watch()
  }

  /**
   * A TLS socket finishes no write at once: told by the write itself, an empty one after it (2.8 µs) is spared. True: the
   * write is to call {@link #flushed}.
   */
  #watchesWrite(): boolean {
    if (!this.secure || this.#waiting) return false
    this.#waiting = true
    return true
  }

  /** Write the first `length` bytes of a slab (of `takeSlab`), which belongs to the wire from now on. */
  writeSlab(slab: Buffer, length: number): void {
    if (this.closed || this.socket.writableEnded) {
      giveSlab(slab)
      return
    }
    this.#writeBuffer(slab.subarray(0, length))
    this.#written(slab)
  }

  /** Taken by the kernel at once: free. Else it is in use until all that was written has left. */
  #written(slab: Buffer): void {
    if (this.pendingBytes === 0 && !this.socket.destroyed) giveSlab(slab)
    else this.#slabs.push(slab)
  }

  #freeSlabs(): void {
    for (const slab of this.#slabs) giveSlab(slab)
    this.#slabs.length = 0
  }

  /** Something stays behind: an empty write after it tells when it has left, whatever the stream's own high water. */
  #watch(): void {
    if (this.#waiting || this.socket.writableLength === 0) return
    this.#waiting = true
    this.socket.write(NOTHING, this.#flushed)
  }

  readonly #flushed = (error?: Error | null): void => {
    this.#waiting = false
    if (error || this.closed) return
    if (this.socket.writableLength > 0) this.#watch()
    else this.onTaken()
  }

  /** For {@link DirectWriter}. */
  onTaken(): void {
    if (this.closed || this.pendingBytes > 0) return
    this.#freeSlabs()
    this.#guard(() => this.handler.onDrain())
  }

  /** Too much is waiting for the kernel: stop writing until `onDrain`. */
  get full(): boolean {
    return (this.#waiting || (this.#direct?.pendingBytes ?? 0) > 0) && this.pendingBytes >= this.#highWater
  }

  pause(): void {
    if (!this.socket.isPaused()) this.socket.pause()
  }

  resume(): void {
    if (this.socket.isPaused() || this.socket.readableFlowing === null) this.socket.resume()
  }

  /** Have the kernel ask the peer, after each `everyMs` of silence, whether it is still there (TCP keepalive). */
  watchPeer(everyMs: number): void {
    this.socket.setKeepAlive(true, everyMs)
  }

  /** After the peer's FIN, and while paused, nothing is read and an RST goes unseen: an empty write brings it out, as a close. */
  checkPeer(): void {
    if (!this.closed && !this.socket.writableEnded && this.pendingBytes === 0) this.socket.write(NOTHING)
  }

  /** Send FIN after what was written. */
  finish(): void {
    if (!this.closed && !this.socket.writableEnded) this.socket.end()
  }

  /** Close now; what was not sent is lost. */
  destroy(): void {
    this.socket.destroy()
  }

  /** Close with RST, so that the peer cannot take what it got for complete. */
  reset(): void {
    if (!this.closed) resetSocket(this.socket)
  }
}
