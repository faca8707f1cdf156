/** A tunnel between real sockets with a watch on it, as the sidecar has it behind an intercepted connection. */
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import type { TestContext } from 'node:test'
import { joinTunnel } from '../../src/net/opaque.ts'
import type { ObservedCall } from '../../src/net/protocols/call.ts'
import { type ProtocolFacts, ProtocolWatch } from '../../src/net/protocols/protocol-watch.ts'
import { takeHandle } from '../../src/net/raw-handle.ts'
import { Wire } from '../../src/net/wire.ts'
import { eventually } from '../support/proxy.ts'

export type Piece = readonly [fromClient: boolean, bytes: Buffer]

export interface WatchedTunnel {
  readonly port: number
  readonly calls: readonly ObservedCall[]
  /** What went through, in the order in which it came. */
  readonly pieces: readonly Piece[]
  /** Of the first connection, once it is over. */
  facts(): Promise<ProtocolFacts | undefined>
}

const HIGH_WATER = 65_536

/** Everything that connects to it goes to `port`. */
export async function watchedTunnel(t: TestContext, port: number): Promise<WatchedTunnel> {
  const calls: ObservedCall[] = []
  const pieces: Piece[] = []
  let facts: ProtocolFacts | undefined
  let over = false
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
    const watch = newWatch(calls)
    const client = Wire.accept(takeHandle(socket)!, HIGH_WATER)
    const upstream = Wire.dial({ host: '127.0.0.1', port }, HIGH_WATER)
    const keep =
      (fromClient: boolean, see: ProtocolWatch['a']) =>
      (buf: Buffer, start: number, end: number): boolean => {
        pieces.push([fromClient, Buffer.from(buf.subarray(start, end))])
        see(buf, start, end)
        return false
      }
    const done = (): void => {
      watch.finish()
      facts = watch.facts
      over = true
    }
    const empty = Buffer.alloc(0)
    upstream.socket.once('connect', () =>
      joinTunnel(client, empty, upstream, empty, done, { a: keep(true, watch.a), b: keep(false, watch.b) }),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return {
    port: (server.address() as AddressInfo).port,
    calls,
    pieces,
    async facts() {
      await eventually('end of the tunnel', () => over)
      return facts
    },
  }
}

/** A watch that fails the test where it faults. */
export function newWatch(calls: ObservedCall[]): ProtocolWatch {
  return new ProtocolWatch({
    onCall: (call) => calls.push(call),
    onFault: (error) => {
      throw error
    },
  })
}

/** What a call was, without its times. */
export function outline({ name, fromClient, error }: ObservedCall): string {
  return `${fromClient ? '' : 'server: '}${name}${error === undefined ? '' : ` ! ${error.type}`}`
}

/** The same bytes again, each side's in pieces of `size`, the sides in the order in which they came. */
export function replay(
  pieces: readonly Piece[],
  size: number,
): { calls: ObservedCall[]; facts: ProtocolFacts | undefined } {
  const calls: ObservedCall[] = []
  const watch = newWatch(calls)
  for (const [fromClient, bytes] of pieces) {
    for (let at = 0; at < bytes.length; at += size) {
      const buf = Buffer.from(bytes.subarray(at, at + size))
      ;(fromClient ? watch.a : watch.b)(buf, 0, buf.length)
      // The memory of a read is used again at once.
      buf.fill(0xaa)
    }
  }
  watch.finish()
  return { calls, facts: watch.facts }
}
