/** RFC 9113 §8.1.1: data that are not what Content-Length says make a message malformed; never a clean end on the other side. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import * as h2 from '../../src/http/message/http2/frames.ts'
import { each, toHttp1, toHttp2 } from './frame-origin.ts'
import { data, type FramePeer, problemCode } from './frame-peer.ts'

const FAULTS: readonly (readonly [string, (client: FramePeer) => readonly Buffer[]])[] = [
  ['more than it says', (client) => [client.post(1, '/', [['content-length', '3']]), data(1, 'abcd')]],
  ['less than it says', (client) => [client.post(1, '/', [['content-length', '9']]), data(1, 'abcd', true)]],
  [
    'less, ended by trailers',
    (client) => [
      client.post(1, '/', [['content-length', '9']]),
      data(1, 'abcd'),
      client.block(1, [['x-sum', '1']], true),
    ],
  ],
  ['no DATA at all', (client) => [client.post(1, '/', [['content-length', '9']]), data(1, '', true)]],
]

for (const [what, frames] of FAULTS) {
  test(`request: ${what}: 400, then PROTOCOL_ERROR`, async (t) => {
    const { dial, origin, proxy } = await toHttp1(t, async (peer) => {
      await peer.head()
      await peer.ended()
    })
    const client = await dial()
    for (const frame of frames(client)) {
      client.send(frame)
      await client.roundTrip()
    }
    const stream = await client.whole(1)
    assert.equal(problemCode(stream, 400), 'bad_framing')
    await client.until('reset', () => stream.reset !== undefined)
    assert.equal(stream.reset, h2.PROTOCOL_ERROR)
    assert.equal(stream.resets, 1)
    const [seen] = await proxy.finished(1)
    assert.equal(seen?.error?.code, 'bad_framing')
    // Where the head had gone on already, its connection breaks: what the upstream got is not a whole request.
    for (const peer of origin.connections) assert.notEqual(await peer.ended(), 'open')
  })
}

test('request: more than it says, in the frame of the head: nothing is forwarded', async (t) => {
  const { dial, origin } = await toHttp1(t, () => {})
  const client = await dial()
  client.send(client.block(1, [[':method', 'POST'], [':scheme', 'http'], [':path', '/'], [':authority', 'a'], ['content-length', '5']], true)) // biome-ignore format: one head
  assert.equal(problemCode(await client.whole(1), 400), 'bad_framing')
  assert.equal(origin.connections.length, 0)
})

test('request to HTTP/2: less than it says: the upstream gets a reset, not an end', async (t) => {
  const { dial, origin } = await toHttp2(
    t,
    each(() => {}),
  )
  const client = await dial()
  client.send(client.post(1, '/', [['content-length', '9']]), data(1, 'abcd'))
  await client.roundTrip()
  client.send(data(1, '', true))
  assert.equal(problemCode(await client.whole(1), 400), 'bad_framing')
  const peer = origin.connections[0]!
  await peer.until('a reset', () => peer.stream(1).reset !== undefined)
  assert.equal(peer.stream(1).ended, false)
})

/** A client of HTTP/2 and one of HTTP/1.1 before a server of HTTP/2 that answers as `answer` says. */
async function broken(t: TestContext, answer: (peer: FramePeer, id: number) => void): Promise<void> {
  const { dial, dialHttp1, proxy } = await toHttp2(
    t,
    each((peer, { id }) => answer(peer, id)),
  )
  const client = await dial()
  client.send(client.get(1))
  const stream = await client.whole(1)
  assert.equal(stream.status, 200)
  assert.equal(stream.ended, false)
  assert.equal(stream.reset, h2.INTERNAL_ERROR)
  const old = await dialHttp1()
  old.send('GET / HTTP/1.1\r\nHost: here\r\n\r\n')
  assert.equal(await old.ended(), 'reset')
  for (const { error } of await proxy.finished(2)) assert.match(error!.code, /bad_response|upstream_aborted/)
}

test('response: fewer bytes than it says', async (t) => {
  await broken(t, (peer, id) =>
    peer.send(
      peer.block(id, [
        [':status', '200'],
        ['content-length', '9'],
      ]),
      data(id, 'abcd', true),
    ),
  )
})

test('response: more bytes than it says', async (t) => {
  await broken(t, (peer, id) =>
    peer.send(
      peer.block(id, [
        [':status', '200'],
        ['content-length', '3'],
      ]),
      data(id, 'abcd', true),
    ),
  )
})

test('response to GET that ends with its head and says that it has a body: 502', async (t) => {
  const { dial } = await toHttp2(
    t,
    each((peer, { id }) => peer.respond(id, 200, '', [['content-length', '9']])),
  )
  const client = await dial()
  client.send(client.get(1))
  assert.equal(problemCode(await client.whole(1), 502), 'bad_response')
})
