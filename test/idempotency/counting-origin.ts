/** An upstream in this process that counts how often each key ran. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export class CountingOrigin {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  /** How often a request with this key arrived whole. */
  readonly runs = new Map<string, number>()
  total = 0

  private constructor(delayMs: () => number) {
    this.#server = createServer({ keepAlive: true }, async (req, res) => {
      let body = ''
      for await (const chunk of req) body += String(chunk)
      const key = req.headers['idempotency-key']
      const run = ++this.total
      if (typeof key === 'string') this.runs.set(key, (this.runs.get(key) ?? 0) + 1)
      await sleep(delayMs())
      res.setHeader('X-Run', String(run))
      res.end(`run ${run} of ${key}: ${body}`)
    })
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
      // A proxy that is killed resets its connections.
      socket.on('error', () => {})
    })
    this.#server.on('clientError', (_error, socket) => socket.destroy())
  }

  static async start(delayMs: () => number): Promise<CountingOrigin> {
    const origin = new CountingOrigin(delayMs)
    origin.#server.listen(0, '127.0.0.1')
    await once(origin.#server, 'listening')
    return origin
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
  }
}
