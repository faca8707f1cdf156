/** An upstream that speaks HTTP/2 by frames and follows a script; and a proxy between it and clients of the same kind. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import type { TestContext } from 'node:test'
import { Peer, PeerGone } from '../support/client.ts'
import { Origin, type Script } from '../support/origin.ts'
import { eventually, type ProxyOptions, TestProxy } from '../support/proxy.ts'
import { FramePeer, type FramePeerOptions, type PeerStream } from './frame-peer.ts'

/** What an origin does with a connection; `index` counts connections from 0. */
export type FrameScript = (peer: FramePeer, index: number) => Promise<void> | void

export class FrameOrigin {
  readonly #server: Server
  readonly #closed: Promise<unknown>
  readonly connections: FramePeer[] = []
  /** What a script threw while its connection stood. */
  readonly faults: unknown[] = []
  /** Streams that were opened, over all connections. */
  requests = 0

  private constructor(script: FrameScript, options: FramePeerOptions) {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      const peer = new FramePeer(socket, false, options)
      const index = this.connections.push(peer) - 1
      const onHeaders = peer.onHeaders.bind(peer)
      peer.onHeaders = (id, ...rest) => {
        if (!peer.streams.has(id)) this.requests++
        return onHeaders(id, ...rest)
      }
      Promise.resolve(script(peer, index)).catch((error) => {
        if (peer.ending === 'open') this.faults.push(error)
      })
    })
    this.#closed = once(this.#server, 'close')
  }

  static async start(script: FrameScript, options: FramePeerOptions = {}): Promise<FrameOrigin> {
    const origin = new FrameOrigin(script, options)
    origin.#server.listen(0, '127.0.0.1')
    await once(origin.#server, 'listening')
    return origin
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Connections that stand go on; there will be no others. */
  stopListening(): void {
    this.#server.close()
  }

  async close(): Promise<void> {
    for (const { socket } of this.connections) socket.destroy()
    this.#server.close()
    await this.#closed
  }
}

/** A script that hands each request to `answer` when its head is there. */
export function each(answer: (peer: FramePeer, stream: PeerStream) => Promise<void> | void): FrameScript {
  return async (peer) => {
    for (;;) {
      const stream = await peer.nextStream()
      Promise.resolve(answer(peer, stream)).catch(() => {})
    }
  }
}

/** Answers every request, when it is whole, with its method, path and body. */
export const echo: FrameScript = each(async (peer, stream) => {
  await peer.whole(stream.id)
  if (stream.ended) peer.respond(stream.id, 200, `${stream.header(':method')} ${stream.header(':path')} ${stream.body}`)
})

export interface Chain<T> {
  readonly origin: T
  readonly proxy: TestProxy
  /** A client of HTTP/2. */
  dial(options?: FramePeerOptions): Promise<FramePeer>
  /** A client of HTTP/1.1. */
  dialHttp1(): Promise<Peer>
}

async function between<T extends FrameOrigin | Origin>(
  t: TestContext,
  origin: T,
  protocol: 'h2' | 'http1',
  options: ProxyOptions,
): Promise<Chain<T>> {
  const proxy = await TestProxy.start(`http://127.0.0.1:${origin.port}`, {
    ...options,
    flags: { 'upstream.protocol': protocol, ...options.flags },
  })
  const clients: { readonly socket: { destroy(): unknown } }[] = []
  t.after(async () => {
    for (const { socket } of clients) socket.destroy()
    // Whatever was done to it: nothing is left behind.
    await eventually('end of all exchanges', () => proxy.plane.active === 0)
    await proxy.close()
    await origin.close()
    assert.deepEqual(origin.faults, [], 'a script of the origin failed')
    assert.deepEqual(proxy.complaints, [], 'the proxy complained')
  })
  const keep = <C extends { readonly socket: { destroy(): unknown } }>(client: C): C => {
    clients.push(client)
    return client
  }
  return {
    origin,
    proxy,
    dial: async (peerOptions) => keep(await FramePeer.connect(proxy.port, peerOptions)),
    dialHttp1: async () => keep(await Peer.connect(proxy.port)),
  }
}

/** A proxy before an upstream that is spoken to in HTTP/2. */
export async function toHttp2(
  t: TestContext,
  script: FrameScript,
  options: ProxyOptions & { readonly peer?: FramePeerOptions } = {},
): Promise<Chain<FrameOrigin>> {
  return await between(t, await FrameOrigin.start(script, options.peer), 'h2', options)
}

/** A proxy before an upstream that is spoken to in HTTP/1.1. */
export async function toHttp1(
  t: TestContext,
  script: Script | Origin,
  options: ProxyOptions = {},
): Promise<Chain<Origin>> {
  const origin = typeof script === 'function' ? await Origin.start(script) : script
  return await between(t, origin, 'http1', options)
}

export { PeerGone }
