/** Requests with a key, as a test writes them. */
import type { TestContext } from 'node:test'
import { type Message, Peer } from '../support/client.ts'
import type { Origin, Script } from '../support/origin.ts'
import { type Chain, chain, type ProxyOptions } from '../support/proxy.ts'
import { ModelStore } from './model-store.ts'

export interface Asked {
  readonly key?: string
  readonly body?: string
  readonly method?: string
  readonly path?: string
  readonly authorization?: string
  /** Further lines, each with its end. */
  readonly headers?: string
}

/** The bytes of a POST with a key. */
export function post({
  key,
  body = 'amount=1',
  method = 'POST',
  path = '/pay',
  authorization = 'Bearer alice',
  headers = '',
}: Asked): string {
  const keyLine = key === undefined ? '' : `Idempotency-Key: ${key}\r\n`
  const auth = authorization === '' ? '' : `Authorization: ${authorization}\r\n`
  const head = `${method} ${path} HTTP/1.1\r\nHost: here\r\n${auth}${keyLine}${headers}`
  return `${head}Content-Length: ${Buffer.byteLength(body, 'latin1')}\r\n\r\n${body}`
}

export interface KeyedChain extends Chain {
  readonly store: ModelStore
  /** Send on a connection of its own and read the answer. */
  ask(asked: Asked): Promise<Message>
}

/** Client, proxy with a store, and origin. */
export async function keyedChain(
  t: TestContext,
  origin: Origin | Script,
  options: ProxyOptions & { store?: ModelStore } = {},
): Promise<KeyedChain> {
  const store = options.store ?? new ModelStore()
  const made = await chain(t, origin, { ...options, store })
  return {
    ...made,
    store,
    async ask(asked) {
      const client = await Peer.connect(made.proxy.port)
      try {
        client.send(post(asked))
        return await client.message()
      } finally {
        client.socket.destroy()
      }
    },
  }
}
