import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as h2 from '../../src/http/message/http2/frames.ts'
import { eventually } from '../support/proxy.ts'
import { each, toHttp1, toHttp2 } from './frame-origin.ts'
import { data, type FramePeer, goaway, rst, windowUpdate } from './frame-peer.ts'

function sayGoodbye(client: FramePeer): void {
  client.send(goaway(0, h2.NO_ERROR))
  client.socket.end()
}

/** How a client gives up stream 1, having others or not. */
const WAYS: readonly (readonly [string, (client: FramePeer) => void, RegExp])[] = [
  ['resets the stream', (client) => client.send(rst(1, h2.CANCEL)), /^CANCEL$/],
  ['closes the connection', (client) => client.socket.end(), /^$/],
  ['resets the connection', (client) => client.socket.resetAndDestroy(), /^(ECONNRESET|EPIPE|)$/],
  ['says GOAWAY and closes', sayGoodbye, /^$/],
  ['breaks a rule', (client) => client.send(windowUpdate(0, 0)), /^PROTOCOL_ERROR$/],
]

/** How far the exchange is when that happens. */
const PHASES: readonly (readonly [string, (client: FramePeer) => void, (peer: FramePeer) => void])[] = [
  ['it waits for an answer', (client) => client.send(client.get(1)), () => {}],
  ['it uploads', (client) => client.send(client.post(1), data(1, 'some')), () => {}],
  [
    'the answer comes',
    (client) => client.send(client.get(1)),
    (peer) => peer.send(peer.block(1, [[':status', '200']]), data(1, 'some')),
  ],
]

for (const [way, leave, errno] of WAYS) {
  for (const [phase, ask, answer] of PHASES) {
    test(`a client ${way} while ${phase}: the stream to the upstream is cancelled`, async (t) => {
      const { dial, origin, proxy } = await toHttp2(
        t,
        each((peer) => answer(peer)),
      )
      const client = await dial()
      ask(client)
      await eventually('the request', () => origin.requests === 1)
      const upstream = origin.connections[0]!
      await upstream.until('all of it', () => phase !== 'it uploads' || upstream.stream(1).bytes === 4)
      if (phase === 'the answer comes') await client.until('some of it', () => client.stream(1).bytes === 4)
      leave(client)
      await upstream.until('a reset', () => upstream.stream(1).reset !== undefined)
      assert.equal(upstream.stream(1).reset, h2.CANCEL)
      assert.equal(upstream.ending, 'open')
      const [seen] = await proxy.finished(1)
      assert.equal(seen?.error?.code, 'client_closed')
      assert.match(seen!.error!.errno, errno)
    })
  }

  test(`a client ${way}: the connection to an HTTP/1.1 upstream goes`, async (t) => {
    const { dial, origin } = await toHttp1(t, async (peer) => {
      await peer.head()
      await peer.ended()
    })
    const client = await dial()
    client.send(client.get(1))
    await eventually('the request', () => origin.connections[0]?.unread === '' && origin.connections.length === 1)
    await client.roundTrip()
    leave(client)
    await eventually('the end', () => origin.connections[0]!.ending !== 'open')
  })
}

test('a stream that is cancelled leaves the others alone', async (t) => {
  const { dial, origin, proxy } = await toHttp2(
    t,
    each((peer, { id }) => (id === 1 ? undefined : peer.respond(id, 200, 'fine'))),
  )
  const client = await dial()
  client.send(client.get(1))
  await eventually('the request', () => origin.requests === 1)
  client.send(rst(1, h2.CANCEL), client.get(3))
  assert.equal((await client.whole(3)).body, 'fine')
  await eventually('the end of both', () => proxy.plane.active === 0)
  assert.equal(client.ending, 'open')
})

test('what an upstream still sends on a cancelled stream costs nobody else anything', async (t) => {
  const { dial, origin } = await toHttp2(
    t,
    each(async (peer, { id }) => {
      peer.send(peer.block(id, [[':status', '200']]))
      if (id > 40) return peer.respond(id, 200, 'fine')
      peer.send(data(id, 'some'))
      await peer.until('a reset', () => peer.stream(id).reset !== undefined)
      // As if it had been on its way: small frames, up to the window.
      for (let i = 0; i < 200; i++) peer.send(data(id, Buffer.alloc(1000)))
    }),
  )
  const client = await dial()
  for (let id = 1; id <= 39; id += 2) {
    client.send(client.get(id))
    await client.until('some of it', () => client.stream(id).bytes === 4)
    client.send(rst(id, h2.CANCEL))
  }
  await eventually('resets', () => origin.connections[0]!.stream(39).reset !== undefined)
  await origin.connections[0]!.roundTrip()
  client.send(client.get(41))
  assert.equal((await client.whole(41)).status, 200)
  assert.equal(origin.connections.length, 1)
  assert.equal(origin.connections[0]!.ending, 'open')
})
