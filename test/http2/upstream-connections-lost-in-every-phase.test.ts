import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as h2 from '../../src/http/message/http2/frames.ts'
import { problem } from '../support/proxy.ts'
import { each, type FrameScript, toHttp2 } from './frame-origin.ts'
import { data, type FramePeer, goaway, problemCode } from './frame-peer.ts'

const WAYS: readonly (readonly [string, (peer: FramePeer) => void])[] = [
  ['FIN', (peer) => peer.socket.end()],
  ['RST', (peer) => peer.socket.resetAndDestroy()],
]

/** After this many bytes of the body, and with the head or not. */
const PHASES: readonly (readonly [string, (peer: FramePeer, id: number) => void])[] = [
  ['before the head', () => {}],
  ['behind an interim response', (peer, id) => peer.send(peer.block(id, [[':status', '103']]))],
  ['behind the head', (peer, id) => peer.send(peer.block(id, [[':status', '200']]))],
  ['within the body', (peer, id) => peer.send(peer.block(id, [[':status', '200']]), data(id, 'some'))],
]

function losing(phase: (typeof PHASES)[number][1], lose: (peer: FramePeer) => void): FrameScript {
  return each(async (peer, stream) => {
    if (stream.header(':path') === '/fine') return peer.respond(stream.id, 200, 'fine')
    phase(peer, stream.id)
    // What was sent is on its way before the end is.
    await peer.roundTrip()
    lose(peer)
  })
}

for (const [way, lose] of WAYS) {
  for (const [what, phase] of PHASES) {
    test(`${way} ${what}`, async (t) => {
      const { dial, dialHttp1, proxy } = await toHttp2(t, losing(phase, lose))
      const begun = what.startsWith('behind the') || what.startsWith('within')
      const client = await dial()
      client.send(client.get(1))
      const stream = await client.whole(1)
      assert.equal(stream.ended, !begun)
      if (!begun) assert.match(problemCode(stream, 502), /^upstream_(reset|aborted)$/)
      const old = await dialHttp1()
      old.send('GET / HTTP/1.1\r\nHost: here\r\n\r\n')
      if (begun) {
        assert.equal((await old.head()).status, 200)
        assert.equal(await old.ended(), 'reset')
      } else {
        let message = await old.message()
        if (message.status === 103) message = await old.message()
        assert.equal(message.status, 502)
      }
      for (const { error } of await proxy.finished(2)) {
        assert.equal(error?.code, what === 'before the head' ? 'upstream_reset' : 'upstream_aborted')
        assert.match(error!.errno, way === 'FIN' ? /FIN/ : /ECONNRESET|FIN/)
      }
      client.send(client.get(3, '/fine'))
      assert.equal((await client.whole(3)).body, 'fine')
    })
  }
}

test('behind one that ends slowly, a dial that fails is told', async (t) => {
  const { dialHttp1, origin } = await toHttp2(t, async (peer) => {
    const { id } = await peer.nextStream()
    peer.send(peer.block(id, [[':status', '200']]), goaway(id, h2.NO_ERROR))
  })
  const [slow, next] = [await dialHttp1(), await dialHttp1()]
  slow.send('GET / HTTP/1.1\r\nHost: here\r\n\r\n')
  assert.equal((await slow.head()).status, 200)
  await origin.connections[0]!.roundTrip()
  origin.stopListening()
  next.send('GET / HTTP/1.1\r\nHost: here\r\n\r\n')
  const { status, body } = await next.message()
  assert.deepEqual([status, problem(body).code], [502, 'connection_refused'])
  slow.reset()
})

test('on a connection that was used before, GET is sent again and POST is not', async (t) => {
  const { dial, origin } = await toHttp2(t, async (peer, index) => {
    peer.respond((await peer.nextStream()).id, 200, `${index}`)
    const { id } = await peer.nextStream()
    if (index === 0) peer.socket.end()
    else peer.respond(id, 200, `${index}`)
  })
  const client = await dial()
  client.send(client.get(1))
  assert.equal((await client.whole(1)).body, '0')
  client.send(client.get(3))
  assert.equal((await client.whole(3)).body, '1')
  assert.equal(origin.connections.length, 2)
})

test('POST is not', async (t) => {
  const { dial, origin } = await toHttp2(t, async (peer) => {
    peer.respond((await peer.nextStream()).id, 200)
    await peer.nextStream()
    peer.socket.end()
  })
  const client = await dial()
  client.send(client.get(1))
  await client.whole(1)
  client.send(client.post(3), data(3, 'body', true))
  assert.equal(problemCode(await client.whole(3), 502), 'upstream_reset')
  assert.equal(origin.connections.length, 1)
})

test('many exchanges on one connection all hear of its end', async (t) => {
  const { dial, proxy } = await toHttp2(t, async (peer) => {
    for (let i = 0; i < 50; i++) await peer.nextStream()
    peer.socket.resetAndDestroy()
  })
  const client = await dial()
  for (let i = 0; i < 50; i++) client.send(client.post(1 + 2 * i), data(1 + 2 * i, 'x', true))
  for (let i = 0; i < 50; i++) assert.equal((await client.whole(1 + 2 * i)).status, 502)
  assert.equal((await proxy.finished(50)).length, 50)
})
