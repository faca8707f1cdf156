/** Peers that send exactly the bytes they are given and keep exactly the bytes they got: no polite library between. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** Longest wait for anything here, milliseconds. */
const DEADLINE_MS = 5000

/** One connection that an origin accepted. */
export class OriginConnection {
  readonly socket: Socket
  /** Everything that came, as latin1. */
  received = ''
  /** The peer sent FIN, or the connection is gone. */
  ended = false

  constructor(socket: Socket) {
    this.socket = socket
  }

  /** Send latin1 text. */
  send(text: string): void {
    if (!this.socket.destroyed) this.socket.write(text, 'latin1')
  }

  /** Send FIN after what was sent. */
  end(): void {
    this.socket.end()
  }

  reset(): void {
    this.socket.resetAndDestroy()
  }
}

/** Called on every arrival of bytes on a connection. */
export type OriginScript = (connection: OriginConnection, arrived: string) => void

/** A server that answers with given bytes and records what it received, byte for byte. */
export class RawOrigin {
  readonly #server: Server
  readonly #script: OriginScript
  #watchers: (() => void)[] = []
  readonly connections: OriginConnection[] = []

  private constructor(script: OriginScript) {
    this.#script = script
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket))
  }

  static async start(script: OriginScript): Promise<RawOrigin> {
    const origin = new RawOrigin(script)
    origin.#server.listen(0, '127.0.0.1')
    await once(origin.#server, 'listening')
    return origin
  }

  #accept(socket: Socket): void {
    const connection = new OriginConnection(socket)
    this.connections.push(connection)
    this.#changed()
    socket.on('data', (bytes: Buffer) => {
      const arrived = bytes.toString('latin1')
      connection.received += arrived
      this.#script(connection, arrived)
      this.#changed()
    })
    const gone = (): void => {
      connection.ended = true
      this.#changed()
    }
    socket.on('end', gone)
    socket.on('close', gone)
    // A reset is one of the outcomes under test; `ended` tells of it.
    socket.on('error', gone)
  }

  #changed(): void {
    for (const watcher of this.#watchers) watcher()
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** All that was received, over all connections. */
  get received(): string {
    return this.connections.map(({ received }) => received).join('')
  }

  /** Resolves when `holds` does; fails after the deadline, naming `what`. */
  async waitFor(what: string, holds: (origin: RawOrigin) => boolean): Promise<void> {
    if (holds(this)) return
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(
          new Error(`the origin waited in vain for ${what}; it has …${JSON.stringify(this.received.slice(-1000))}`),
        )
      }, DEADLINE_MS)
      const watcher = (): void => {
        if (!holds(this)) return
        clearTimeout(timer)
        this.#watchers = this.#watchers.filter((other) => other !== watcher)
        resolve()
      }
      this.#watchers.push(watcher)
    })
  }

  async close(): Promise<void> {
    for (const { socket } of this.connections) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

/** How a connection stands at the end of a conversation. */
export type Ending = 'fin' | 'reset' | 'open'

/** A client that sends given bytes and collects what comes back. */
export class RawClient {
  readonly #socket: Socket
  #watchers: (() => void)[] = []
  /** Everything that came, as latin1. */
  received = ''
  ending: Ending = 'open'

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (bytes: Buffer) => {
      this.received += bytes.toString('latin1')
      this.#changed()
    })
    socket.on('end', () => this.#ended('fin'))
    socket.on('error', () => this.#ended('reset'))
    socket.on('close', () => this.#ended('fin'))
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    await once(socket, 'connect')
    return new RawClient(socket)
  }

  #ended(how: Ending): void {
    if (this.ending === 'open') this.ending = how
    this.#changed()
  }

  #changed(): void {
    for (const watcher of this.#watchers) watcher()
  }

  /** Send latin1 text in one piece. */
  send(text: string): void {
    this.sendBytes(Buffer.from(text, 'latin1'))
  }

  sendBytes(bytes: Uint8Array): void {
    if (!this.#socket.destroyed && !this.#socket.writableEnded) this.#socket.write(bytes)
  }

  /** Send the pieces as separate writes, a turn of the event loop apart, so that they arrive as separate reads. */
  async sendPieces(pieces: readonly string[]): Promise<void> {
    for (const piece of pieces) {
      this.send(piece)
      await new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)))
    }
  }

  /** Send FIN; reading goes on. */
  finish(): void {
    this.#socket.end()
  }

  /** True once `holds` does; false where the connection ended or the time passed before. */
  async sees(holds: (received: string) => boolean, waitMs = DEADLINE_MS): Promise<boolean> {
    if (!holds(this.received) && this.ending === 'open') {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(timer)
          this.#watchers = this.#watchers.filter((other) => other !== watcher)
          resolve()
        }
        const watcher = (): void => {
          if (holds(this.received) || this.ending !== 'open') done()
        }
        const timer = setTimeout(done, waitMs)
        this.#watchers.push(watcher)
      })
    }
    return holds(this.received)
  }

  /** Everything until the peer closes; fails where it does not. */
  async untilClosed(waitMs = DEADLINE_MS): Promise<string> {
    await this.sees(() => this.ending !== 'open', waitMs)
    assert.notEqual(this.ending, 'open', `the connection stayed open after ${JSON.stringify(this.received)}`)
    return this.received
  }

  close(): void {
    this.#socket.destroy()
  }
}

/** Status codes of the responses at the start of `text`, found by their status lines: good for responses we wrote. */
export function statusesIn(text: string): number[] {
  return [...text.matchAll(/HTTP\/1\.[01] (\d{3}) /g)].map(([, status]) => Number(status))
}
