/**
 * Properties: whatever frames a peer sends, of whichever side, nothing throws, every exchange comes to its end, no stream
 * and no connection is left, and the next client is served. Conversations that are well mean the same in any pieces.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import * as h2 from '../../src/http/message/http2/frames.ts'
import { eventually } from '../support/proxy.ts'
import { frame } from './frame-log.ts'
import { type Chain, each, echo, type FrameOrigin, toHttp2 } from './frame-origin.ts'
import { data, FramePeer, type Pair, request } from './frame-peer.ts'

/** More, and again the same, by the environment. */
const RUNS = Number(process.env.FUZZ_RUNS ?? 150)
const bytes = (...of: number[]): Buffer => Buffer.from(of)
const text = (value: string): Buffer => Buffer.from(value, 'latin1')

/** Header blocks that need no dynamic table, good ones and bad ones, of requests, responses and trailers. */
const BLOCKS: readonly Buffer[] = [
  Buffer.concat([bytes(0x82, 0x86, 0x84, 0x41, 4), text('here')]),
  Buffer.concat([bytes(0x83, 0x86, 0x84, 0x41, 4), text('here')]),
  Buffer.concat([bytes(0x83, 0x86, 0x84, 0x41, 4), text('here'), bytes(0x0f, 0x0d, 1), text('5')]),
  bytes(0x88),
  Buffer.concat([bytes(0x08, 3), text('103')]),
  Buffer.concat([bytes(0x88, 0x0f, 0x0d, 1), text('5')]),
  Buffer.concat([bytes(0x40, 1), text('x'), bytes(1), text('y')]),
  bytes(0x82),
  bytes(0xbe),
  bytes(0x3f, 0xe1, 0x1f, 0x82, 0x86, 0x84),
  bytes(0xff, 0xff, 0xff, 0xff, 0xff),
  // A WebSocket (RFC 8441).
  Buffer.concat([
    bytes(0x02, 7),
    text('CONNECT'),
    bytes(0x86, 0x84, 0x01, 4),
    text('here'),
    bytes(0, 9),
    text(':protocol'),
    bytes(9),
    text('websocket'),
    bytes(0, 21),
    text('sec-websocket-version'),
    bytes(2),
    text('13'),
  ]),
  bytes(),
]

const id = fc.constantFrom(0, 1, 1, 1, 2, 3, 3, 5, 7, 101)
const flags = fc.constantFrom(0, 1, 4, 5, 5, 8, 0x20, 0x2d, 0xff)
const payload = fc.oneof(
  fc.uint8Array({ maxLength: 40 }).map((raw) => Buffer.from(raw)),
  fc.constantFrom(
    bytes(0, 0, 0, 0),
    bytes(0, 0, 0, 1),
    bytes(0x7f, 255, 255, 255),
    bytes(0, 4, 0, 0, 0, 0),
    Buffer.alloc(8),
  ),
)
const block = fc.constantFrom(...BLOCKS)

/** A frame of any kind: often one that makes sense, where it may make none. */
const anyFrame = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(id, fc.constantFrom(4, 5), block).map(([on, flag, of]) => frame(h2.HEADERS, flag, on, of)),
  },
  { weight: 3, arbitrary: fc.tuple(id, fc.boolean(), payload).map(([on, end, of]) => data(on, of, end)) },
  { weight: 1, arbitrary: fc.tuple(id, flags, block).map(([on, flag, of]) => frame(h2.HEADERS, flag, on, of)) },
  { weight: 1, arbitrary: fc.tuple(id, flags, block).map(([on, flag, of]) => frame(h2.CONTINUATION, flag, on, of)) },
  { weight: 1, arbitrary: id.map((on) => frame(h2.RST_STREAM, 0, on, bytes(0, 0, 0, 8))) },
  { weight: 1, arbitrary: id.map((on) => frame(h2.WINDOW_UPDATE, 0, on, bytes(0, 0, 1, 0))) },
  { weight: 1, arbitrary: fc.nat(100_000).map((size) => frame(h2.SETTINGS, 0, 0, bytes(0, 4, 0, size >> 16, size >> 8, size))) }, // biome-ignore format: one row
  { weight: 1, arbitrary: fc.constantFrom(frame(h2.PING, 0, 0, Buffer.alloc(8)), frame(h2.SETTINGS, h2.ACK, 0)) },
  { weight: 1, arbitrary: id.map((last) => frame(h2.GOAWAY, 0, 0, bytes(0, 0, 0, last, 0, 0, 0, 0))) },
  { weight: 1, arbitrary: fc.tuple(fc.nat(17), flags, id, payload).map(([type, flag, on, of]) => frame(type, flag, on, of)) }, // biome-ignore format: one row
)
const frames = fc.array(anyFrame, { minLength: 1, maxLength: 25 })
const cuts = fc.array(fc.nat(2000), { maxLength: 8 })

/** Write `all` in pieces that end at `at`, each a turn after the one before. */
async function sendCut(peer: FramePeer, all: Buffer, at: readonly number[]): Promise<void> {
  let from = 0
  for (const to of [...new Set(at)].sort((a, b) => a - b)) {
    if (to <= from || to >= all.length) continue
    peer.send(all.subarray(from, to))
    from = to
    await turn()
  }
  peer.send(all.subarray(from))
}

/** Nothing is left of what a peer did, once it is gone. */
async function settled({ proxy }: Chain<FrameOrigin>, connections: number): Promise<void> {
  await eventually('end of all exchanges', () => proxy.plane.active === 0)
  await eventually('end of its connection', () => proxy.plane.connections === connections)
}

async function property(
  t: TestContext,
  check: (...given: never[]) => Promise<void>,
  ...of: fc.Arbitrary<never>[]
): Promise<void> {
  const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 1e9)
  t.diagnostic(`seed ${seed}`)
  await fc.assert(fc.asyncProperty(...(of as [fc.Arbitrary<never>]), check as (one: never) => Promise<void>), {
    seed,
    numRuns: RUNS,
  })
}

test('frames of a client', async (t) => {
  const chain = await toHttp2(
    t,
    each(async (peer, stream) => {
      if (stream.header(':protocol') !== undefined) {
        peer.send(peer.block(stream.id, [[':status', '200']]), data(stream.id, 'hello'))
      } else if ((await peer.whole(stream.id)).ended) peer.respond(stream.id, 200, stream.body)
    }),
    { peer: { settings: [[h2.SETTINGS_ENABLE_CONNECT_PROTOCOL, 1]] } },
  )
  const bystander = await chain.dial()
  let next = 1
  await property(
    t,
    async (sent: Buffer[], at: number[]) => {
      const client = await FramePeer.connect(chain.proxy.port)
      await sendCut(client, Buffer.concat(sent), at)
      await Promise.race([client.ended(), client.roundTrip(), sleep(200)]).catch(() => {})
      client.socket.destroy()
      await settled(chain, 1)
      bystander.send(bystander.get(next))
      assert.equal((await bystander.whole(next)).status, 200)
      next += 2
    },
    frames as fc.Arbitrary<never>,
    cuts as fc.Arbitrary<never>,
  )
})

test('frames of an upstream', async (t) => {
  let sent: Buffer[] = []
  let at: number[] = []
  const chain = await toHttp2(
    t,
    each(async (peer, stream) => {
      if (stream.header(':path') === '/fine') return peer.respond(stream.id, 200)
      await sendCut(peer, Buffer.concat(sent), at)
      // No answer comes where the frames end within one.
      await Promise.race([peer.ended(), peer.roundTrip(), sleep(200)]).catch(() => {})
      peer.socket.destroy()
    }),
  )
  const client = await chain.dial()
  let next = 1
  await property(
    t,
    async (frames: Buffer[], pieces: number[]) => {
      sent = frames
      at = pieces
      // Two on the connection, and one with a body.
      client.send(client.get(next), client.post(next + 2), data(next + 2, 'body', true))
      await client.whole(next)
      await client.whole(next + 2)
      next += 4
      await settled(chain, 1)
      client.send(client.get(next, '/fine'))
      const stream = await client.whole(next)
      // The connection of before may have been there still, and broken then.
      assert.ok([200, 502].includes(stream.status))
      next += 2
    },
    frames as fc.Arbitrary<never>,
    cuts as fc.Arbitrary<never>,
  )
})

interface Asked {
  readonly path: string
  readonly pieces: readonly string[]
  readonly padded: boolean
  readonly trailers: boolean
  readonly length: boolean
}

const asked = fc.record<Asked>({
  path: fc.stringMatching(/^\/[a-z0-9]{0,12}$/),
  pieces: fc.array(fc.string({ maxLength: 30 }), { maxLength: 4 }),
  padded: fc.boolean(),
  trailers: fc.boolean(),
  length: fc.boolean(),
})

test('conversations that are well', async (t) => {
  const chain = await toHttp2(t, echo)
  await property(
    t,
    async (requests: Asked[], at: number[]) => {
      const client = await FramePeer.connect(chain.proxy.port, { credits: false })
      const all: Buffer[] = []
      const expected: string[] = []
      requests.forEach(({ path, pieces, padded, trailers, length }, i) => {
        const on = 1 + 2 * i
        const body = Buffer.from(pieces.join(''))
        const stated: Pair[] = length ? [['content-length', String(body.length)]] : []
        all.push(client.block(on, [...request('POST', path), ...stated]))
        for (const piece of pieces) {
          const of = Buffer.from(piece)
          all.push(padded ? frame(h2.DATA, h2.PADDED, on, Buffer.concat([bytes(3), of, bytes(0, 0, 0)])) : data(on, of))
        }
        all.push(trailers ? client.block(on, [['x-sum', '1']], true) : data(on, '', true))
        expected.push(`POST ${path} ${body.toString('latin1')}`)
      })
      await client.roundTrip()
      await sendCut(client, Buffer.concat(all), at)
      for (let i = 0; i < requests.length; i++) assert.equal((await client.whole(1 + 2 * i)).body, expected[i])
      client.socket.destroy()
      await settled(chain, 0)
    },
    fc.array(asked, { minLength: 1, maxLength: 8 }) as fc.Arbitrary<never>,
    cuts as fc.Arbitrary<never>,
  )
})
