/** A socket in the hands of a test: bytes as they are, messages read leniently, every wait with a deadline. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** Longest wait for anything here, milliseconds. */
const DEADLINE_MS = 8000

/** How a peer stands: `fin` is a clean end, `reset` any other. */
export type PeerEnding = 'open' | 'fin' | 'reset'

/** The connection ended before what was waited for came. */
export class PeerGone extends Error {}

/** A message as it came. */
export interface Message {
  readonly start: string
  /** Of a response, 0 for a request. */
  readonly status: number
  readonly headers: readonly (readonly [string, string])[]
  readonly body: string
  /** Chunk size lines as they came, extensions included. */
  readonly chunks: readonly string[]
  readonly trailers: readonly (readonly [string, string])[]
}

/** First value of a field, by its name in any case. */
export function field(message: Message, name: string): string | undefined {
  return message.headers.find(([given]) => given.toLowerCase() === name.toLowerCase())?.[1]
}

/** All values of a field. */
export function fields(message: Message, name: string): string[] {
  return message.headers.filter(([given]) => given.toLowerCase() === name.toLowerCase()).map(([, value]) => value)
}

/** One end of a raw connection. */
export class Peer {
  readonly socket: Socket
  /** Latin1 text that came and was not taken yet. */
  unread = ''
  ending: PeerEnding = 'open'
  #watchers = new Set<() => void>()

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (bytes: Buffer) => {
      this.unread += bytes.toString('latin1')
      this.#changed()
    })
    socket.on('end', () => this.#end('fin'))
    socket.on('error', () => this.#end('reset'))
    socket.on('close', () => this.#end(this.ending === 'open' ? 'reset' : this.ending))
  }

  static async connect(port: number, host = '127.0.0.1'): Promise<Peer> {
    const socket = connect({ port, host, allowHalfOpen: true, noDelay: true })
    await once(socket, 'connect')
    return new Peer(socket)
  }

  #end(how: PeerEnding): void {
    // A reset after a FIN is still a reset: the peer threw something of ours away.
    this.ending = how
    this.#changed()
  }

  #changed(): void {
    for (const watcher of this.#watchers) watcher()
  }

  send(text: string): void {
    if (!this.socket.destroyed && !this.socket.writableEnded) this.socket.write(text, 'latin1')
  }

  /** Send FIN; reading goes on. */
  finish(): void {
    this.socket.end()
  }

  reset(): void {
    this.socket.resetAndDestroy()
  }

  /** Resolves when `holds`; fails when the connection ends before, or after the deadline. */
  async until(what: string, holds: () => boolean): Promise<void> {
    if (holds()) return
    await new Promise<void>((resolve, reject) => {
      const stop = (then: () => void): void => {
        clearTimeout(timer)
        this.#watchers.delete(watcher)
        then()
      }
      const shown = (): string => JSON.stringify(this.unread.slice(0, 500))
      const watcher = (): void => {
        if (holds()) stop(resolve)
        else if (this.ending !== 'open') {
          stop(() => reject(new PeerGone(`${this.ending} before ${what}; unread ${shown()}`)))
        }
      }
      const timer = setTimeout(
        () => stop(() => reject(new Error(`no ${what} in time; unread ${shown()}`))),
        DEADLINE_MS,
      )
      this.#watchers.add(watcher)
      watcher()
    })
  }

  /** How the connection ended, once it has. */
  async ended(): Promise<PeerEnding> {
    await this.until('end of the connection', () => this.ending !== 'open')
    return this.ending
  }

  /** The next `count` bytes. */
  async take(count: number): Promise<string> {
    await this.until(`${count} bytes`, () => this.unread.length >= count)
    const taken = this.unread.slice(0, count)
    this.unread = this.unread.slice(count)
    return taken
  }

  /** Text up to and with `mark`. */
  async takeThrough(mark: string): Promise<string> {
    await this.until(JSON.stringify(mark), () => this.unread.includes(mark))
    return this.take(this.unread.indexOf(mark) + mark.length)
  }

  /** The next head alone. */
  async head(): Promise<Message> {
    const [start = '', ...lines] = (await this.takeThrough('\r\n\r\n')).slice(0, -4).split('\r\n')
    const status = start.startsWith('HTTP/') ? Number(start.split(' ')[1]) : 0
    return { start, status, headers: pairs(lines), body: '', chunks: [], trailers: [] }
  }

  /** The next message; `bodiless`: an answer to HEAD. Interim responses are messages of their own. */
  async message({ bodiless = false } = {}): Promise<Message> {
    const head = await this.head()
    const none = bodiless || head.status === 204 || head.status === 304 || (head.status > 0 && head.status < 200)
    if (none) return head
    if (field(head, 'transfer-encoding')?.toLowerCase() === 'chunked') return await this.#chunked(head)
    const length = field(head, 'content-length')
    if (length !== undefined) return { ...head, body: await this.take(Number(length)) }
    if (head.status === 0) return head
    await this.ended()
    return { ...head, body: await this.take(this.unread.length) }
  }

  async #chunked(head: Message): Promise<Message> {
    let body = ''
    const chunks: string[] = []
    for (;;) {
      const line = (await this.takeThrough('\r\n')).slice(0, -2)
      chunks.push(line)
      const size = Number.parseInt(line, 16)
      if (size === 0) break
      body += (await this.take(size + 2)).slice(0, -2)
    }
    const lines: string[] = []
    for (let line = await this.takeThrough('\r\n'); line !== '\r\n'; line = await this.takeThrough('\r\n')) {
      lines.push(line.slice(0, -2))
    }
    return { ...head, body, chunks, trailers: pairs(lines) }
  }
}

function pairs(lines: readonly string[]): [string, string][] {
  return lines.map((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).trim()]
  })
}
