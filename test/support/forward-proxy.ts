/** A forward proxy on raw sockets: absolute-form requests and CONNECT, with or without credentials. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

export interface ForwardProxyOptions {
  /** `user:password`; without, anybody may. */
  readonly credentials?: string
  /** Where names lead: the port of loopback for `host:port`. */
  readonly hosts?: Readonly<Record<string, number>>
  /** Status for CONNECT, other than 200. */
  readonly refuses?: number
}

export class ForwardProxy {
  readonly #server: Server
  readonly #options: ForwardProxyOptions
  readonly #sockets = new Set<Socket>()
  /** Heads as they came. */
  readonly heads: string[] = []

  private constructor(options: ForwardProxyOptions) {
    this.#options = options
    this.#server = createServer((socket) => this.#accepted(socket))
  }

  static async start(options: ForwardProxyOptions = {}): Promise<ForwardProxy> {
    const proxy = new ForwardProxy(options)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  #accepted(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    let text = ''
    const onData = (bytes: Buffer): void => {
      text += bytes.toString('latin1')
      const end = text.indexOf('\r\n\r\n')
      if (end === -1) return
      socket.off('data', onData)
      socket.pause()
      this.#head(socket, text.slice(0, end + 4), text.slice(end + 4))
    }
    socket.on('data', onData)
  }

  /** One request a connection: what follows its head goes on unread. */
  #head(socket: Socket, head: string, rest: string): void {
    this.heads.push(head)
    const { credentials, refuses } = this.#options
    const wanted = credentials === undefined ? '' : `Basic ${Buffer.from(credentials).toString('base64')}`
    const given = /^proxy-authorization: (.*)\r$/im.exec(head)?.[1] ?? ''
    const [method = '', target = ''] = head.split(' ')
    if (wanted !== '' && given !== wanted) this.#answer(socket, '407 Proxy Authentication Required')
    else if (method !== 'CONNECT') this.#forward(socket, head, new URL(target), rest)
    else if (refuses !== undefined) this.#answer(socket, `${refuses} No`)
    else this.#join(socket, target, () => socket.write('HTTP/1.1 200 Connection established\r\n\r\n'))
  }

  #answer(socket: Socket, status: string): void {
    socket.end(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`)
  }

  #forward(socket: Socket, head: string, { host, port, pathname, search }: URL, rest: string): void {
    const lines = head.split('\r\n').filter((line) => !/^(proxy-authorization|connection):/i.test(line))
    lines[0] = `${head.split(' ')[0]} ${pathname}${search} HTTP/1.1\r\nConnection: close`
    const upstream = this.#join(socket, port === '' ? `${host}:80` : host, () => {})
    upstream.write(lines.join('\r\n') + rest, 'latin1')
  }

  #join(socket: Socket, authority: string, connected: () => void): Socket {
    const upstream = connect(this.#options.hosts?.[authority] ?? Number(authority.split(':').at(-1)), '127.0.0.1')
    this.#sockets.add(upstream)
    upstream.on('error', () => socket.destroy())
    upstream.once('connect', () => {
      connected()
      socket.pipe(upstream)
      upstream.pipe(socket)
    })
    return upstream
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
