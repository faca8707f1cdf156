/** An upstream server on raw sockets that follows a script, one run of it per connection. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { type Message, Peer, PeerGone } from './client.ts'

/** What an origin does with a connection; `index` counts connections from 0. */
export type Script = (peer: Peer, index: number) => Promise<void> | void

export class Origin {
  readonly #server: Server
  readonly connections: Peer[] = []
  /** Requests that {@link answering} took, in order of arrival. */
  readonly requests: Message[] = []
  /** What a script threw, other than that its peer was gone. */
  readonly faults: unknown[] = []
  #watchers = new Set<() => void>()

  private constructor(script: (origin: Origin) => Script) {
    const run = script(this)
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      const peer = new Peer(socket)
      const index = this.connections.push(peer) - 1
      socket.on('close', () => this.changed())
      this.changed()
      Promise.resolve(run(peer, index)).catch((error) => {
        if (!(error instanceof PeerGone)) this.faults.push(error)
      })
    })
  }

  static async start(script: Script, host = '127.0.0.1'): Promise<Origin> {
    return await Origin.#listen(() => script, host)
  }

  /** Answers every request, keeping the connection: `answer` gives the bytes. */
  static async answering(answer: (request: Message, nth: number) => string): Promise<Origin> {
    return await Origin.#listen(
      (origin) => async (peer) => {
        for (;;) {
          const request = await peer.message()
          const nth = origin.requests.push(request) - 1
          origin.changed()
          peer.send(answer(request, nth))
        }
      },
      '127.0.0.1',
    )
  }

  static async #listen(script: (origin: Origin) => Script, host: string): Promise<Origin> {
    const origin = new Origin(script)
    origin.#server.listen(0, host)
    await once(origin.#server, 'listening')
    return origin
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Something that {@link until} looks at may be different now. */
  changed(): void {
    for (const watcher of this.#watchers) watcher()
  }

  async until(what: string, holds: () => boolean): Promise<void> {
    if (holds()) return
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`the origin waited in vain for ${what}`)), 8000)
      const watcher = (): void => {
        if (!holds()) return
        clearTimeout(timer)
        this.#watchers.delete(watcher)
        resolve()
      }
      this.#watchers.add(watcher)
    })
  }

  async close(): Promise<void> {
    for (const { socket } of this.connections) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

/** A 200 with this body and a length. */
export function ok(body: string, headers = ''): string {
  return `HTTP/1.1 200 OK\r\nContent-Length: ${Buffer.byteLength(body, 'latin1')}\r\n${headers}\r\n${body}`
}
