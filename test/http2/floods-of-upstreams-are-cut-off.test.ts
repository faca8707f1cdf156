/** The same from the other side: an upstream that floods loses its connection within a moment, and no other suffers. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as h2 from '../../src/http/message/http2/frames.ts'
import { flood } from './flooding.ts'
import { frame } from './frame-log.ts'
import { echo, toHttp2 } from './frame-origin.ts'
import { data, rst, settings, windowUpdate } from './frame-peer.ts'

const STATUS = Buffer.of(0x88)
const { ENHANCE_YOUR_CALM, PROTOCOL_ERROR, STREAM_CLOSED, FLOW_CONTROL_ERROR } = h2

interface Attack {
  readonly name: string
  readonly frames: (i: number) => Uint8Array
  readonly codes: readonly number[]
  /** Sent before, on stream 1, which waits for its answer. */
  readonly first?: Uint8Array
}

const CALM = [ENHANCE_YOUR_CALM]
const HEAD = frame(h2.HEADERS, h2.END_HEADERS, 1, STATUS)
const ANSWER = frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, 1, STATUS)
const INTERIM = frame(h2.HEADERS, h2.END_HEADERS, 1, Buffer.concat([Buffer.of(0x08, 3), Buffer.from('103')]))

const ATTACKS: readonly Attack[] = [
  { name: 'PING', frames: () => frame(h2.PING, 0, 0, '12345678'), codes: CALM },
  { name: 'PING acknowledged', frames: () => frame(h2.PING, h2.ACK, 0, '12345678'), codes: CALM },
  { name: 'SETTINGS', frames: () => settings(), codes: CALM },
  { name: 'SETTINGS with a great many', frames: () => settings(...Array.from({ length: 2000 }, () => [4, 1] as const)), codes: CALM }, // biome-ignore format: one row
  { name: 'PRIORITY', frames: () => frame(h2.PRIORITY, 0, 1, Buffer.alloc(5)), codes: CALM },
  { name: 'frames of unknown types', frames: () => frame(0x77, 0, 0, 'abc'), codes: CALM },
  { name: 'windows of the connection', frames: () => windowUpdate(0, 1), codes: CALM },
  { name: 'windows of the stream', frames: () => windowUpdate(1, 1), codes: CALM },
  { name: 'a window that overflows', frames: () => windowUpdate(0, h2.MAX_31), codes: [FLOW_CONTROL_ERROR] },
  { name: 'empty DATA', first: HEAD, frames: () => data(1, ''), codes: CALM },
  { name: 'DATA of padding', first: HEAD, frames: () => frame(h2.DATA, h2.PADDED, 1, '\0'), codes: CALM },
  { name: 'DATA on a stream that is over', first: ANSWER, frames: () => data(1, 'x'), codes: CALM },
  { name: 'large DATA on a stream that is over', first: ANSWER, frames: () => data(1, Buffer.alloc(16_000)), codes: CALM }, // biome-ignore format: one row
  { name: 'DATA that nobody asked for any more', first: INTERIM, frames: (i) => (i < 9 ? INTERIM : data(1, 'x')), codes: CALM }, // biome-ignore format: one row
  { name: 'heads on a stream that is over', first: ANSWER, frames: () => ANSWER, codes: CALM },
  { name: 'interim responses', frames: () => INTERIM, codes: CALM },
  { name: 'RST_STREAM on a stream that is over', first: ANSWER, frames: () => rst(1, h2.CANCEL), codes: CALM },
  { name: 'CONTINUATION without end', first: frame(h2.HEADERS, 0, 1, STATUS), frames: () => frame(h2.CONTINUATION, 0, 1, Buffer.of(0x88)), codes: CALM }, // biome-ignore format: one row
  { name: 'empty CONTINUATION', first: frame(h2.HEADERS, 0, 1, STATUS), frames: () => frame(h2.CONTINUATION, 0, 1), codes: CALM }, // biome-ignore format: one row
  { name: 'GOAWAY', frames: () => frame(h2.GOAWAY, 0, 0, Buffer.from([0x7f, 255, 255, 255, 0, 0, 0, 0])), codes: CALM },
  { name: 'PUSH_PROMISE', frames: (i) => frame(h2.PUSH_PROMISE, 4, 1, Buffer.of(0, 0, i >> 7, (i * 2 + 2) & 255, 0x88)), codes: [PROTOCOL_ERROR] }, // biome-ignore format: one row
  { name: 'trailers again and again', first: HEAD, frames: () => ANSWER, codes: [ENHANCE_YOUR_CALM, STREAM_CLOSED] },
]

for (const { name, frames, codes, first } of ATTACKS) {
  test(name, async (t) => {
    const { dial, origin, proxy } = await toHttp2(t, async (peer, index) => {
      if (index > 0) return await echo(peer, index)
      await peer.nextStream()
      if (first !== undefined) peer.send(first)
      await flood(peer, frames)
    })
    const client = await dial()
    client.send(client.get(1))
    const stream = await client.whole(1)
    assert.ok([200, 502].includes(stream.status), `${stream.status}`)
    const upstream = origin.connections[0]!
    assert.notEqual(await upstream.ended(), 'open')
    const code = upstream.goaways.at(-1)?.code ?? -1
    // A connection that was reset may have lost it, and one that said GOAWAY itself needs none.
    if (upstream.ending === 'fin' && name !== 'GOAWAY') assert.ok(codes.includes(code), h2.errorName(code))
    client.send(client.get(3, '/next'))
    assert.equal((await client.whole(3)).body, 'GET /next ')
    assert.equal(client.ending, 'open')
    assert.equal((await proxy.finished(2)).length, 2)
  })
}

test('an upstream that answers nothing but a reset costs each request one stream', async (t) => {
  const { dial, origin } = await toHttp2(t, async (peer) => {
    for (;;) peer.send(rst((await peer.nextStream()).id, h2.INTERNAL_ERROR))
  })
  const client = await dial()
  for (let i = 0; i < 300; i++) {
    client.send(client.get(1 + 2 * i))
    if (i % 50 === 49) await client.whole(1 + 2 * i)
  }
  for (let i = 0; i < 300; i++) assert.equal((await client.whole(1 + 2 * i)).status, 502)
  assert.equal(origin.requests, 300)
  assert.equal(client.ending, 'open')
})
