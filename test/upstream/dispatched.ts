/** A proxy whose upstream is reached through an undici dispatcher. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { Agent } from 'undici'
import { type DispatcherLike, dispatcherRoute } from '../../src/upstream/dispatch-route.ts'
import { Peer } from '../support/client.ts'
import { Origin, type Script } from '../support/origin.ts'
import { type Chain, TestProxy } from '../support/proxy.ts'

export interface Dispatched extends Chain {
  readonly agent: Agent
}

/** Client, proxy, dispatcher and origin in a row, taken down after the test. `compose` may put interceptors around. */
export async function dispatched(
  t: TestContext,
  origin: Origin | Script,
  flags: Record<string, string> = {},
  compose: (agent: Agent) => DispatcherLike = (agent) => agent,
): Promise<Dispatched> {
  const server = typeof origin === 'function' ? await Origin.start(origin) : origin
  const agent = new Agent({ connections: 8 })
  const url = `http://127.0.0.1:${server.port}`
  const proxy = await TestProxy.start(url, { flags, route: dispatcherRoute(compose(agent), url) })
  const clients: Peer[] = []
  t.after(async () => {
    for (const { socket } of clients) socket.destroy()
    await proxy.close()
    await agent.destroy()
    await server.close()
    assert.deepEqual(server.faults, [], 'a script of the origin failed')
    assert.deepEqual(proxy.complaints, [])
  })
  return {
    origin: server,
    proxy,
    agent,
    async dial() {
      const peer = await Peer.connect(proxy.port)
      clients.push(peer)
      return peer
    },
  }
}
