import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import * as h2 from '../../src/http/message/http2/frames.ts'
import { HpackEncoder } from '../../src/http/message/http2/hpack-encoder.ts'
import { frame } from './frame-log.ts'
import { echo, toHttp2 } from './frame-origin.ts'
import { data, FramePeer, type Pair, request, settings, windowUpdate } from './frame-peer.ts'

/** Blocks of one connection, in order. */
function blocks(...lists: readonly (readonly Pair[])[]): Buffer[] {
  const encoder = new HpackEncoder()
  return lists.map((pairs) => {
    encoder.begin()
    for (const [name, value] of pairs) encoder.field(name, value)
    return Buffer.from(encoder.finish())
  })
}

/** Two writes that arrive as two reads, as far as that can be had. */
async function sendInTwo(write: (bytes: Buffer) => void, bytes: Buffer, at: number): Promise<void> {
  write(bytes.subarray(0, at))
  await turn()
  await turn()
  write(bytes.subarray(at))
}

const [GET, POST, TRAILERS, LONG] = blocks(
  [...request('GET', '/one'), ['x-a', 'b']],
  [...request('POST', '/two'), ['content-length', '9']],
  [['x-sum', '1']],
  [...request('PUT', '/three'), ['x-a', 'b'], ['x-long', 'y'.repeat(40)]],
) as [Buffer, Buffer, Buffer, Buffer]

const ASKED = Buffer.concat([
  h2.PREFACE,
  settings([h2.SETTINGS_INITIAL_WINDOW_SIZE, 50_000]),
  frame(h2.SETTINGS, h2.ACK, 0),
  frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, 1, GET),
  frame(h2.HEADERS, h2.END_HEADERS | h2.PADDED | h2.WITH_PRIORITY, 3, Buffer.concat([Buffer.of(2, 0, 0, 0, 0, 9), POST, Buffer.of(0, 0)])), // biome-ignore format: one frame
  data(3, 'four'),
  frame(h2.PING, 0, 0, '12345678'),
  frame(h2.DATA, h2.PADDED, 3, '\x02five.\0\0'),
  frame(0x99, 0xff, 3, 'unknown'),
  frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, 3, TRAILERS),
  frame(h2.HEADERS, 0, 5, LONG.subarray(0, 10)),
  frame(h2.CONTINUATION, 0, 5),
  frame(h2.CONTINUATION, h2.END_HEADERS, 5, LONG.subarray(10)),
  windowUpdate(0, 1000),
  data(5, '', true),
])

const ANSWERS = ['GET /one ', 'POST /two fourfive.', 'PUT /three ']

test('what a client sends, cut in two at every offset', async (t) => {
  const { proxy } = await toHttp2(t, echo)
  const ask = async (at: number): Promise<void> => {
    const socket = connect({ port: proxy.port, host: '127.0.0.1', noDelay: true })
    await once(socket, 'connect')
    const peer = new FramePeer(socket, true, { acks: false, credits: false, silent: true })
    await sendInTwo((bytes) => socket.write(bytes), ASKED, at)
    const streams = await Promise.all([1, 3, 5].map((id) => peer.whole(id)))
    assert.deepEqual(
      streams.map(({ body }) => body),
      ANSWERS,
      `cut at ${at}`,
    )
    assert.equal(peer.pongs, 1)
    socket.destroy()
  }
  const offsets = Array.from({ length: ASKED.length }, (_, at) => at)
  for (let at = 0; at < offsets.length; at += 10) await Promise.all(offsets.slice(at, at + 10).map(ask))
})

const [HEAD, BEHIND] = blocks(
  [
    [':status', '200'],
    ['content-length', '9'],
    ['x-a', 'b'],
  ],
  [['x-sum', '1']],
) as [Buffer, Buffer]

const ANSWERED = Buffer.concat([
  settings([h2.SETTINGS_MAX_CONCURRENT_STREAMS, 1]),
  frame(h2.SETTINGS, h2.ACK, 0),
  frame(h2.HEADERS, h2.END_HEADERS, 1, Buffer.concat([Buffer.of(0x08, 3), Buffer.from('103')])),
  frame(h2.HEADERS, 0, 1, HEAD.subarray(0, 2)),
  frame(h2.CONTINUATION, h2.END_HEADERS, 1, HEAD.subarray(2)),
  frame(h2.DATA, h2.PADDED, 1, '\x01four\0'),
  windowUpdate(0, 10),
  data(1, 'five.'),
  frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, 1, BEHIND),
  frame(h2.GOAWAY, 0, 0, Buffer.from([0, 0, 0, 1, 0, 0, 0, 0])),
])

test('what an upstream sends, cut in two at every offset', async (t) => {
  let at = 0
  const { dial, origin } = await toHttp2(
    t,
    async (peer) => {
      await peer.nextStream()
      await sendInTwo((bytes) => peer.socket.write(bytes), ANSWERED, at)
    },
    { peer: { acks: false, credits: false, silent: true } },
  )
  const client = await dial()
  for (; at < ANSWERED.length; at++) {
    const id = 1 + 2 * at
    client.send(client.get(id))
    const stream = await client.whole(id)
    assert.equal(stream.body, 'fourfive.', `cut at ${at}`)
    assert.deepEqual(stream.trailers, [['x-sum', '1', false]])
    assert.equal(stream.interim.length, 1)
  }
  assert.equal(origin.connections.length, ANSWERED.length)
})
