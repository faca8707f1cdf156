/** Both directions of a WebSocket that goes through, counted for the span of its exchange. */
import type { RequestHead } from '../core/message.ts'
import type { WebSocketFacts } from '../exchange/ports.ts'
import type { TunnelObservers } from '../net/opaque.ts'
import { WebSocketWatch } from './message/websocket-watch.ts'

export interface WebSocketTunnel {
  /** For `joinTunnel`, with the client as side A. */
  readonly observers: TunnelObservers
  readonly facts: WebSocketFacts
}

/** Undefined where something else than a WebSocket was agreed on. */
export function webSocketTunnel(head: RequestHead): WebSocketTunnel | undefined {
  if (head.upgrade !== 'websocket' || (head.method === 'CONNECT' && head.version < 20)) return undefined
  const client = new WebSocketWatch(true)
  const server = new WebSocketWatch(false)
  return {
    observers: {
      a: (buf, start, end) => client.feed(buf, start, end),
      b: (buf, start, end) => server.feed(buf, start, end),
    },
    facts: { client, server },
  }
}
