/** Accepts connections, up to a bound, and hands each over as a wire. */
import { createServer, type Server } from 'node:net'
import { listenHost } from '../core/listen.ts'
import { acceptWaiting } from '../native/accept.ts'
import { descriptorOf, handleOn, type RawHandle, takeHandle } from './raw-handle.ts'
import { Wire } from './wire.ts'

export interface ListenerOptions {
  readonly host: string
  readonly port: number
  /** A socket that listens already (TPROXY, socket activation), in place of host and port. */
  readonly fd?: number
  /** Connections at once; above it new ones are closed at once and counted. */
  readonly maxConnections: number
  /** Connections taken in one turn of the event loop, where that many wait. */
  readonly acceptsAtOnce: number
  /** Bytes written to a client and not taken, above which it counts as slow. */
  readonly highWater: number
  /** The wire is paused; it has no handler yet. */
  readonly onWire: (wire: Wire) => void
  readonly onRefused: () => void
}

/** Connections that the kernel may hold for us before they are accepted. */
const BACKLOG = 4096

/** A listening socket. */
export class Listener {
  readonly #server: Server
  readonly #options: ListenerOptions
  readonly #wires = new Set<Wire>()

  private constructor(options: ListenerOptions) {
    this.#options = options
    this.#server = createServer({
      pauseOnConnect: true,
      noDelay: true,
      allowHalfOpen: true,
      highWaterMark: options.highWater,
    })
    this.#server.on('connection', (socket) => {
      // node:net takes `onread` only when a socket is made, and makes accepted ones without: the handle alone is used.
      this.#accept(takeHandle(socket))
      socket.destroy()
      this.#acceptMore()
    })
  }

  /** Listen; rejects with the bind error. */
  static start(options: ListenerOptions): Promise<Listener> {
    const listener = new Listener(options)
    const server = listener.#server
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.once('listening', () => {
        server.removeListener('error', reject)
        // EMFILE and the like on accept: the connection waits in the backlog, the server goes on.
        server.on('error', () => options.onRefused())
        resolve(listener)
      })
      if (options.fd !== undefined) server.listen({ fd: options.fd }, BACKLOG)
      else server.listen({ host: listenHost(options.host), port: options.port, backlog: BACKLOG })
    })
  }

  /** Connections accepted and not closed. */
  get open(): number {
    return this.#wires.size
  }

  get address(): { host: string; port: number } {
    const bound = this.#server.address()
    if (bound === null || typeof bound === 'string') return { host: this.#options.host, port: this.#options.port }
    return { host: bound.address, port: bound.port }
  }

  /**
   * libuv takes one connection a turn (libuv#3696), and under load a turn takes tens of milliseconds: clients that dial would
   * wait for seconds. Take what else waits.
   */
  #acceptMore(): void {
    for (let n = 1; n < this.#options.acceptsAtOnce; n++) {
      const fd = acceptWaiting(descriptorOf(this.#server))
      if (fd < 0) return
      this.#accept(handleOn(fd, this.#server))
    }
  }

  #accept(handle: RawHandle | null): void {
    if (handle === null) return
    if (this.open >= this.#options.maxConnections) {
      // By RST: a FIN is what a service that answered sends.
      const end = handle.reset ?? handle.close
      end?.call(handle)
      this.#options.onRefused()
      return
    }
    const wire = Wire.accept(handle, this.#options.highWater)
    this.#wires.add(wire)
    wire.onGone = () => this.#wires.delete(wire)
    this.#options.onWire(wire)
  }

  /** Stop accepting; connections stay. */
  close(): void {
    this.#server.close()
  }

  /** Close all connections, whatever they are. */
  closeConnections(): void {
    for (const wire of this.#wires) wire.destroy()
  }
}
