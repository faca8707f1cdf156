import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as h2 from '../../src/http/message/http2/frames.ts'
import { field } from '../support/client.ts'
import { ok } from '../support/origin.ts'
import { each, toHttp1, toHttp2 } from './frame-origin.ts'
import { data, rst, settings, windowUpdate } from './frame-peer.ts'

test('an early answer of HTTP/2: NO_ERROR behind it, and the upload is cancelled', async (t) => {
  const { dial, origin, proxy } = await toHttp2(
    t,
    each((peer, { id }) => peer.respond(id, 413, 'too large')),
  )
  const client = await dial()
  client.send(client.post(1, '/', [['content-length', '1000000']]), data(1, Buffer.alloc(10_000)))
  const stream = await client.whole(1)
  assert.equal(stream.status, 413)
  assert.equal(stream.body, 'too large')
  await client.until('a reset', () => stream.reset !== undefined)
  assert.equal(stream.reset, h2.NO_ERROR)
  assert.ok(client.log.indexOf('DATA 1 end') < client.log.indexOf('RST_STREAM 1 NO_ERROR'))
  const upstream = origin.connections[0]!
  await upstream.until('a reset', () => upstream.stream(1).reset !== undefined)
  assert.equal(upstream.stream(1).reset, h2.CANCEL)
  // What was on its way is taken, and the connection serves on.
  for (let i = 0; i < 20; i++) client.send(data(1, Buffer.alloc(10_000)))
  client.send(client.get(3))
  assert.equal((await client.whole(3)).status, 413)
  assert.equal((await proxy.finished(2))[0]?.error, undefined)
})

test('an early answer of HTTP/1.1', async (t) => {
  const { dial } = await toHttp1(t, async (peer) => {
    await peer.head()
    peer.send(ok('enough', 'Connection: close\r\n'))
  })
  const client = await dial()
  client.send(client.post(1), data(1, Buffer.alloc(10_000)))
  const stream = await client.whole(1)
  assert.equal(stream.body, 'enough')
  await client.until('a reset', () => stream.reset !== undefined)
  assert.equal(stream.reset, h2.NO_ERROR)
})

test('an early answer that has to wait for a window comes whole all the same', async (t) => {
  const { dial } = await toHttp2(
    t,
    each((peer, { id }) => peer.respond(id, 413, 'x'.repeat(10_000), [['x-early', '1']])),
  )
  const client = await dial({ settings: [[h2.SETTINGS_INITIAL_WINDOW_SIZE, 100]], credits: false })
  client.send(client.post(1), data(1, 'some'))
  const stream = client.stream(1)
  await client.until('a window', () => stream.bytes === 100)
  for (let i = 0; i < 25; i++) client.send(data(1, Buffer.alloc(10_000)))
  await client.roundTrip()
  assert.equal(stream.reset, undefined)
  client.send(windowUpdate(1, 100_000))
  await client.until('a reset', () => stream.reset !== undefined)
  assert.equal(stream.bytes, 10_000)
  assert.equal(stream.ended, true)
  assert.equal(stream.reset, h2.NO_ERROR)
})

test('RST_STREAM NO_ERROR of an upstream behind its answer is no fault', async (t) => {
  const { dial, proxy } = await toHttp2(
    t,
    each((peer, { id }) => {
      peer.respond(id, 200, 'fine')
      peer.send(rst(id, h2.NO_ERROR))
    }),
  )
  const client = await dial()
  client.send(client.post(1), data(1, 'some'))
  const stream = await client.whole(1)
  assert.equal(stream.body, 'fine')
  assert.equal((await proxy.finished(1))[0]?.error, undefined)
})

test('both ways at once, piece by piece', async (t) => {
  const { dial, origin } = await toHttp2(
    t,
    each(async (peer, stream) => {
      peer.send(peer.block(stream.id, [[':status', '200']]))
      for (let seen = 0; !stream.ended || seen < stream.data.length; ) {
        await peer.until('more', () => stream.data.length > seen || stream.ended)
        while (seen < stream.data.length) peer.send(data(stream.id, `<${stream.data[seen++]!.toString()}>`))
      }
      peer.send(peer.block(stream.id, [['x-pieces', String(stream.data.length)]], true))
    }),
  )
  const client = await dial()
  client.send(client.post(1))
  assert.equal((await client.head(1)).status, 200)
  let body = ''
  for (let i = 0; i < 20; i++) {
    client.send(data(1, `${i}`))
    body += `<${i}>`
    await client.until(`piece ${i}`, () => client.stream(1).body === body)
  }
  client.send(client.block(1, [['x-sum', '1']], true))
  const stream = await client.whole(1)
  assert.deepEqual(stream.trailers, [['x-pieces', '20', false]])
  assert.deepEqual(origin.connections[0]!.stream(1).trailers, [['x-sum', '1', false]])
})

test('Expect is relayed, and so is the 100 that answers it', async (t) => {
  const { dial, origin } = await toHttp1(t, async (peer) => {
    const head = await peer.head()
    assert.equal(field(head, 'expect'), '100-continue')
    peer.send('HTTP/1.1 100 Continue\r\n\r\n')
    assert.equal(await peer.take(4), 'body')
    peer.send(ok('thanks'))
  })
  const client = await dial()
  client.send(client.post(1, '/', [['expect', '100-continue'], ['content-length', '4']])) // biome-ignore format: one head
  await client.until('100', () => client.stream(1).blocks.length === 1)
  assert.equal(client.stream(1).blocks[0]![0]![1], '100')
  client.send(data(1, 'body', true))
  assert.equal((await client.whole(1)).body, 'thanks')
  assert.equal(origin.connections.length, 1)
})

test('Expect from HTTP/1.1 to HTTP/2', async (t) => {
  const { dialHttp1 } = await toHttp2(
    t,
    each(async (peer, stream) => {
      assert.equal(stream.header('expect'), '100-continue')
      peer.send(peer.block(stream.id, [[':status', '100']]))
      await peer.whole(stream.id)
      peer.respond(stream.id, 200, stream.body)
    }),
  )
  const client = await dialHttp1()
  client.send('POST / HTTP/1.1\r\nHost: here\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n')
  assert.equal((await client.message()).status, 100)
  client.send('body')
  assert.equal((await client.message()).body, 'body')
})

test('trailers that wait for a window are those of their own response', async (t) => {
  const { dial } = await toHttp1(t, async (peer) => {
    for (let i = 1; ; i++) {
      await peer.message()
      peer.send(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Which: ${i}\r\n\r\n`)
    }
  })
  const client = await dial({ settings: [[h2.SETTINGS_INITIAL_WINDOW_SIZE, 0]], credits: false })
  for (let i = 1; i <= 3; i++) {
    client.send(client.get(2 * i - 1))
    await client.head(2 * i - 1)
    await client.roundTrip()
  }
  client.send(settings([h2.SETTINGS_INITIAL_WINDOW_SIZE, 10]))
  for (let i = 1; i <= 3; i++) {
    assert.deepEqual((await client.whole(2 * i - 1)).trailers, [['x-which', String(i), false]])
  }
})
