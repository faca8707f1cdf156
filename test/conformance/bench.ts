/** A proxy between a raw client and a raw origin, and the assertions that the rows of security.md want. */
import assert from 'node:assert/strict'
import { type OriginScript, RawClient, RawOrigin, statusesIn } from '../support/raw-peers.ts'
import { startProxy, type TestProxy } from './proxy.ts'

/** Fields that the proxy adds to requests, and to responses. */
const ADDED_LINES = /^(?:x-request-id|traceparent|hopscope-hop|x-forwarded-(?:for|proto|host)): .*\r\n/gim

/** The text without what the proxy adds of its own. */
export function withoutAdded(text: string): string {
  return text.replace(ADDED_LINES, '')
}

/** Answers every head that arrives with an empty 200. */
export const answerOk: OriginScript = (connection, arrived) => {
  for (const _ of arrived.matchAll(/\r\n\r\n/g)) connection.send('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
}

export class Bench {
  readonly proxy: TestProxy
  readonly origin: RawOrigin
  /** What the origin does; a test sets its own. */
  script: OriginScript = answerOk

  private constructor(proxy: TestProxy, origin: RawOrigin) {
    this.proxy = proxy
    this.origin = origin
  }

  static async start(flags: Record<string, string> = {}): Promise<Bench> {
    let bench: Bench | undefined
    const origin = await RawOrigin.start((connection, arrived) => bench?.script(connection, arrived))
    // A connection for each client, so that none sees what another left.
    bench = new Bench(await startProxy(origin.port, { 'upstream.reuse': 'client', ...flags }), origin)
    return bench
  }

  async close(): Promise<void> {
    await this.proxy.close()
    await this.origin.close()
    assert.deepEqual(this.proxy.complaints, [], 'no stage threw and nothing was logged as an error')
  }

  client(): Promise<RawClient> {
    return RawClient.connect(this.proxy.port)
  }

  /** `request` gets this status from the proxy itself, the connection closes, and the origin hears nothing of it. */
  async refuses(request: string, status: number): Promise<string> {
    const connections = this.origin.connections.length
    const client = await this.client()
    // What follows a refused request must not be answered either.
    client.send(`${request}GET /after HTTP/1.1\r\nHost: a\r\n\r\n`)
    const text = await client.untilClosed()
    client.close()
    assert.deepEqual(statusesIn(text), [status], text)
    assert.match(text, /\r\nContent-Type: application\/problem\+json\r\n/)
    assert.match(text, /\r\nConnection: close\r\n/)
    assert.equal(this.origin.connections.length, connections, 'no connection was made to the origin')
    return text
  }

  /** Send on a connection of its own and return what the origin received, less what the proxy adds. */
  async forwards(request: string, complete: (received: string) => boolean): Promise<string> {
    const connections = this.origin.connections.length
    const client = await this.client()
    client.send(request)
    await this.origin.waitFor('the request', ({ connections: all }) => complete(all[connections]?.received ?? ''))
    await client.sees((text) => text.includes('\r\n\r\n'))
    client.close()
    return withoutAdded(this.origin.connections[connections]!.received)
  }

  /** Everything that a client gets for `request` (a GET by default) until the connection closes. */
  async answers(
    request = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
  ): Promise<{ text: string; ending: string }> {
    const client = await this.client()
    client.send(request)
    const text = await client.untilClosed()
    client.close()
    return { text, ending: client.ending }
  }
}
