import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:http2'
import { test } from 'node:test'
import * as h2 from '../../src/http/message/http2/frames.ts'
import { eventually } from '../support/proxy.ts'
import { frame } from './frame-log.ts'
import { each, type FrameScript, toHttp2 } from './frame-origin.ts'
import { data, windowUpdate } from './frame-peer.ts'

/** Answers a request when its path was released. */
function holding(): { script: FrameScript; release: (path: string) => void } {
  const held = new Map<string, () => void>()
  const script = each((peer, stream) => {
    const path = stream.header(':path')!
    if (path === '/now') peer.respond(stream.id, 200, 'now')
    else held.set(path, () => peer.respond(stream.id, 200, `late ${path}`))
  })
  return { script, release: (path) => held.get(path)!() }
}

test('GOAWAY; requests on their way are served; what is in flight ends; then the connection does', async (t) => {
  const { script, release } = holding()
  const { dial, origin, proxy } = await toHttp2(t, script)
  const client = await dial({ acks: false })
  client.send(client.get(1, '/held'))
  await eventually('the request', () => origin.requests === 1)
  proxy.plane.startDraining()
  await client.until('GOAWAY', () => client.goaways.length === 1)
  assert.deepEqual(client.goaways[0], { last: h2.MAX_31, code: h2.NO_ERROR, debug: '' })
  // It was sent before the client knew.
  client.send(client.get(3, '/now'))
  assert.equal((await client.whole(3)).body, 'now')
  client.send(frame(h2.PING, h2.ACK, 0, 'hopscope'))
  await client.until('the last GOAWAY', () => client.goaways.length === 2)
  assert.deepEqual(client.goaways[1], { last: 3, code: h2.NO_ERROR, debug: '' })
  client.send(client.get(5, '/now'))
  assert.equal((await client.whole(5)).reset, h2.REFUSED_STREAM)
  release('/held')
  assert.equal((await client.whole(1)).body, 'late /held')
  assert.equal(await client.ended(), 'fin')
})

test('an idle connection ends as soon as the client knows', async (t) => {
  const { dial, proxy } = await toHttp2(t, holding().script)
  const client = await dial()
  await client.roundTrip()
  proxy.plane.startDraining()
  assert.equal(await client.ended(), 'fin')
  assert.equal(client.goaways.length, 2)
})

test('a client that does not answer the PING is let go all the same', async (t) => {
  const { dial, proxy } = await toHttp2(t, holding().script)
  const client = await dial({ acks: false })
  client.send(client.get(1, '/now'))
  await client.whole(1)
  proxy.plane.startDraining()
  assert.equal(await client.ended(), 'fin')
})

test('the last answer is whole, however slowly it is read', async (t) => {
  const body = Buffer.alloc(200_000, 'x')
  const { dial, proxy, origin } = await toHttp2(
    t,
    each(async (peer, { id }) => {
      peer.send(peer.block(id, [[':status', '200']]))
      for (let at = 0; at < body.length; at += 10_000) peer.send(data(id, body.subarray(at, at + 10_000)))
      await peer.roundTrip()
      peer.send(data(id, '', true))
    }),
  )
  const client = await dial({ credits: false })
  client.send(client.get(1))
  await client.until('a full window', () => client.stream(1).bytes === h2.DEFAULT_WINDOW)
  proxy.plane.startDraining()
  await client.until('the last GOAWAY', () => client.goaways.length === 2)
  client.socket.pause()
  client.send(windowUpdate(0, 1_000_000), windowUpdate(1, 1_000_000))
  await eventually('the end of the exchange', () => proxy.plane.active === 0)
  client.socket.resume()
  assert.equal((await client.whole(1)).bytes, body.length)
  assert.equal(client.stream(1).ended, true)
  assert.equal(await client.ended(), 'fin')
  assert.equal(origin.requests, 1)
})

test('a client of node:http2 loses no request over a drain', async (t) => {
  const { proxy } = await toHttp2(
    t,
    each((peer, { id }) => peer.respond(id, 200, 'fine')),
  )
  let served = 0
  let session = connect(`http://127.0.0.1:${proxy.port}`)
  t.after(() => session.destroy())
  const ask = async (): Promise<void> => {
    const stream = session.request({ ':path': '/' })
    stream.resume()
    const [headers] = (await once(stream, 'response')) as [{ ':status'?: number }]
    assert.equal(headers[':status'], 200)
    if (!stream.readableEnded) await once(stream, 'end')
    served++
  }
  await Promise.all([ask(), ask()])
  const asking = Promise.all(Array.from({ length: 50 }, () => ask()))
  proxy.plane.startDraining()
  await asking
  assert.equal(served, 52)
  if (!session.closed) await once(session, 'close')
  session = connect(`http://127.0.0.1:${proxy.port}`)
  await ask()
})
