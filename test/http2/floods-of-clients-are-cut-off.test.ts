/**
 * Attacks by which a client makes others work for nothing. Each connection is closed within a moment, no more than a
 * hundred requests reach the upstream, and another client is served as ever.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import * as h2 from '../../src/http/message/http2/frames.ts'
import { ATTACKS, both, GET, id } from './attacks.ts'
import { flood, trickle } from './flooding.ts'
import { frame } from './frame-log.ts'
import { each, type FrameOrigin, toHttp2 } from './frame-origin.ts'
import type { FramePeer } from './frame-peer.ts'

/** A client that floods, and another one that asks for something meanwhile. */
async function attack(
  t: TestContext,
  how: (client: FramePeer) => Promise<unknown>,
): Promise<{ client: FramePeer; origin: FrameOrigin }> {
  const { dial, origin } = await toHttp2(
    t,
    each((peer, stream) => {
      if (stream.header(':path') === '/bystander') peer.respond(stream.id, 200, 'fine')
    }),
  )
  const bystander = await dial()
  bystander.send(bystander.get(1, '/bystander'))
  await bystander.whole(1)
  const client = await dial()
  await client.roundTrip()
  await how(client)
  bystander.send(bystander.get(3, '/bystander'))
  assert.equal((await bystander.whole(3)).body, 'fine')
  assert.ok(origin.requests - 2 <= 100, `${origin.requests - 2} requests reached the upstream`)
  return { client, origin }
}

for (const { name, frames, codes, apart, first, open } of ATTACKS) {
  test(name, async (t) => {
    let sent = 0
    const { client, origin } = await attack(t, async (peer) => {
      if (first !== undefined) peer.send(first)
      if (!open) await peer.roundTrip()
      sent = await (apart ? trickle(peer, frames) : flood(peer, frames))
    })
    t.diagnostic(`${sent} sent, ${origin.requests - 2} requests upstream`)
    const code = client.goaways.at(-1)?.code
    // A connection that was reset may have lost it, and one that said GOAWAY itself needs none.
    if (code !== undefined) assert.ok(codes.includes(code!), h2.errorName(code!))
  })
}

test('a table that is filled once and referred to without end', async (t) => {
  const { client } = await attack(t, async (peer) => {
    const fields = Array.from({ length: 14_000 }, () => Buffer.of(0xbe))
    peer.send(frame(h2.HEADERS, 5, 1, both(GET, Buffer.of(0x40, 1, 0x78, 0x7f, 0xa1, 0x1e), Buffer.alloc(4000, 'v'))))
    await flood(peer, (i) => frame(h2.HEADERS, 5, id(i + 1), both(GET, ...fields)))
  })
  assert.equal(client.goaways.at(-1)?.code, h2.ENHANCE_YOUR_CALM)
})
