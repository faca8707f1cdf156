/** REFUSED_STREAM, or a GOAWAY that names an earlier stream, says that a request was not looked at (RFC 9113 §6.8, §8.7). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as h2 from '../../src/http/message/http2/frames.ts'
import { eventually } from '../support/proxy.ts'
import { echo, type FrameScript, toHttp2 } from './frame-origin.ts'
import { data, type FramePeer, goaway, problemCode, rst } from './frame-peer.ts'

/** The first connection waits for `streams` streams, then does `what`; later ones echo. */
function firstThenEcho(streams: number, what: (peer: FramePeer) => Promise<void> | void): FrameScript {
  return async (peer, index) => {
    if (index > 0) return await echo(peer, index)
    for (let i = 0; i < streams; i++) await peer.nextStream()
    await what(peer)
  }
}

for (const method of ['GET', 'POST'] as const) {
  test(`${method}, refused by GOAWAY on a fresh connection, goes to a new one`, async (t) => {
    const { dial, origin, proxy } = await toHttp2(
      t,
      firstThenEcho(1, (peer) => {
        peer.send(goaway(0, h2.NO_ERROR))
      }),
    )
    const client = await dial()
    client.send(...(method === 'GET' ? [client.get(1)] : [client.post(1), data(1, 'body', true)]))
    assert.equal((await client.whole(1)).body, method === 'GET' ? 'GET / ' : 'POST / body')
    assert.equal(origin.connections.length, 2)
    assert.equal((await proxy.finished(1))[0]?.attempts, 2)
    assert.notEqual(await origin.connections[0]!.ended(), 'open')
  })

  test(`${method}, refused by RST_STREAM, is sent once more`, async (t) => {
    const { dial, origin, proxy } = await toHttp2(t, async (peer) => {
      const first = await peer.nextStream()
      peer.send(rst(first.id, h2.REFUSED_STREAM))
      const second = await peer.nextStream()
      await peer.whole(second.id)
      peer.respond(second.id, 200, second.body)
    })
    const client = await dial()
    client.send(...(method === 'GET' ? [client.get(1)] : [client.post(1), data(1, 'body', true)]))
    assert.equal((await client.whole(1)).body, method === 'GET' ? '' : 'body')
    assert.equal(origin.requests, 2)
    assert.equal((await proxy.finished(1))[0]?.attempts, 2)
  })
}

test('streams up to the one that GOAWAY names are answered on the old connection, later ones on a new one', async (t) => {
  const { dial, origin } = await toHttp2(
    t,
    firstThenEcho(5, async (peer) => {
      peer.send(goaway(5, h2.NO_ERROR))
      for (const id of [1, 3, 5]) peer.respond(id, 200, `old ${id}`)
      await peer.ended()
    }),
  )
  const client = await dial()
  for (const id of [1, 3, 5, 7, 9]) client.send(client.get(id, `/${id}`))
  for (const id of [1, 3, 5]) assert.equal((await client.whole(id)).body, `old ${id}`)
  for (const id of [7, 9]) assert.equal((await client.whole(id)).body, `GET /${id} `)
  assert.equal(origin.connections.length, 2)
  const [old] = origin.connections
  assert.notEqual(await old!.ended(), 'open')
})

test('a graceful GOAWAY ends nothing, and nothing new is begun on its connection', async (t) => {
  const { dial, origin } = await toHttp2(
    t,
    firstThenEcho(1, async (peer) => {
      peer.send(goaway(h2.MAX_31, h2.NO_ERROR))
      await peer.ended()
    }),
  )
  const client = await dial()
  client.send(client.get(1))
  await eventually('a stream', () => origin.requests === 1)
  const [old] = origin.connections
  await old!.roundTrip()
  client.send(client.get(3))
  assert.equal((await client.whole(3)).body, 'GET / ')
  old!.respond(1, 200, 'late')
  assert.equal((await client.whole(1)).body, 'late')
  assert.notEqual(await old!.ended(), 'open')
})

test('refused twice is an answer', async (t) => {
  const { dial, origin } = await toHttp2(t, async (peer) => {
    for (;;) peer.send(rst((await peer.nextStream()).id, h2.REFUSED_STREAM))
  })
  const client = await dial()
  client.send(client.get(1))
  assert.equal(problemCode(await client.whole(1), 503), 'stream_refused')
  assert.equal(origin.requests, 2)
})

test('a body that is not here any more is not sent again', async (t) => {
  const { dial, origin } = await toHttp2(t, async (peer) => {
    const stream = await peer.nextStream()
    await peer.until('the body', () => stream.bytes >= 100_000)
    peer.send(rst(stream.id, h2.REFUSED_STREAM))
  })
  const client = await dial()
  client.send(client.post(1))
  for (let i = 0; i < 10; i++) client.send(data(1, Buffer.alloc(10_000)))
  assert.equal(problemCode(await client.whole(1), 503), 'stream_refused')
  assert.equal(origin.requests, 1)
})

test('a stream that had an interim response was looked at', async (t) => {
  const { dial, origin } = await toHttp2(t, async (peer) => {
    const { id } = await peer.nextStream()
    peer.send(peer.block(id, [[':status', '103']]), rst(id, h2.REFUSED_STREAM))
  })
  const client = await dial()
  client.send(client.get(1))
  assert.equal(problemCode(await client.whole(1), 502), 'stream_reset')
  assert.equal(origin.requests, 1)
})

test('other codes than REFUSED_STREAM say nothing of the kind', async (t) => {
  const { dial, origin, proxy } = await toHttp2(t, async (peer) => {
    for (;;) peer.send(rst((await peer.nextStream()).id, h2.CANCEL))
  })
  const client = await dial()
  client.send(client.get(1))
  assert.equal(problemCode(await client.whole(1), 502), 'stream_reset')
  assert.equal(origin.requests, 1)
  assert.equal((await proxy.finished(1))[0]?.error?.errno, 'CANCEL')
})

test('the reset of the last stream behind a GOAWAY is a reset', async (t) => {
  const { dial, origin, proxy } = await toHttp2(t, async (peer) => {
    peer.respond((await peer.nextStream()).id, 200)
    const { id } = await peer.nextStream()
    peer.send(goaway(id, h2.NO_ERROR), rst(id, h2.CANCEL))
  })
  const client = await dial()
  client.send(client.get(1))
  assert.equal((await client.whole(1)).status, 200)
  client.send(client.get(3))
  assert.equal(problemCode(await client.whole(3), 502), 'stream_reset')
  assert.equal(origin.requests, 2)
  assert.equal((await proxy.finished(2))[1]?.error?.errno, 'CANCEL')
})

test('a request with trailers is sent again with them', async (t) => {
  const { dial } = await toHttp2(t, async (peer) => {
    const first = await peer.nextStream()
    await peer.whole(first.id)
    peer.send(rst(first.id, h2.REFUSED_STREAM))
    const second = await peer.nextStream()
    await peer.whole(second.id)
    peer.respond(second.id, 200, `${second.body} ${second.trailers?.[0]?.[1]}`)
  })
  const client = await dial()
  client.send(client.post(1), data(1, 'body'), client.block(1, [['x-sum', '42']], true))
  assert.equal((await client.whole(1)).body, 'body 42')
})

test('what comes of a body while its stream waits for another connection is sent there too', async (t) => {
  const { dial, origin } = await toHttp2(
    t,
    firstThenEcho(2, async (peer) => {
      peer.send(goaway(1, h2.NO_ERROR))
      await peer.roundTrip()
      await waiting
      peer.respond(1, 200, 'old')
    }),
    { flags: { 'upstream.maxConnections': '1' } },
  )
  let go = (): void => {}
  const waiting = new Promise<void>((resolve) => {
    go = resolve
  })
  const client = await dial()
  client.send(client.get(1), client.post(3), data(3, 'before '))
  await eventually('a GOAWAY', () => (origin.connections[0]?.pongs ?? 0) > 0)
  client.send(data(3, 'meanwhile '))
  await client.roundTrip()
  go()
  assert.equal((await client.whole(1)).body, 'old')
  client.send(data(3, 'after', true))
  assert.equal((await client.whole(3)).body, 'POST / before meanwhile after')
})
