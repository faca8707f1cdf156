import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { field, fields, type Message, type Peer } from '../support/client.ts'
import { each, toHttp2 } from './frame-origin.ts'
import { data, type FramePeer } from './frame-peer.ts'

/** A client of HTTP/1.1 whose request was sent, before a server of HTTP/2 that answers as `answer` says. */
async function asking(t: TestContext, answer: (peer: FramePeer, id: number) => void, method = 'GET'): Promise<Peer> {
  const { dialHttp1 } = await toHttp2(
    t,
    each((peer, { id }) => answer(peer, id)),
  )
  const client = await dialHttp1()
  client.send(`${method} / HTTP/1.1\r\nHost: here\r\nTE: trailers\r\nConnection: TE\r\n\r\n`)
  return client
}

async function answered(t: TestContext, answer: (peer: FramePeer, id: number) => void): Promise<Message> {
  return await (await asking(t, answer)).message()
}

test('a body with a length', async (t) => {
  const message = await answered(t, (peer, id) =>
    peer.respond(id, 200, 'hello', [
      ['content-length', '5'],
      ['x-one', '1'],
    ]),
  )
  assert.equal(message.start, 'HTTP/1.1 200 OK')
  assert.equal(message.body, 'hello')
  assert.equal(field(message, 'content-length'), '5')
  assert.equal(field(message, 'transfer-encoding'), undefined)
})

test('a body without a length is chunked, and trailers stand behind it', async (t) => {
  const message = await answered(t, (peer, id) => {
    peer.send(peer.block(id, [[':status', '200']]), data(id, 'hello '), data(id, 'world'))
    peer.send(peer.block(id, [['x-sum', '42']], true))
  })
  assert.equal(field(message, 'transfer-encoding'), 'chunked')
  assert.equal(message.body, 'hello world')
  assert.deepEqual(message.trailers, [['x-sum', '42']])
})

test('a head that ends the stream has a body of no bytes', async (t) => {
  const message = await answered(t, (peer, id) => peer.send(peer.block(id, [[':status', '503']], true)))
  assert.equal(message.status, 503)
  assert.equal(field(message, 'content-length'), '0')
})

test('set-cookie stays apart', async (t) => {
  const message = await answered(t, (peer, id) =>
    peer.respond(id, 200, '', [
      ['set-cookie', 'a=1'],
      ['set-cookie', 'b=2'],
    ]),
  )
  assert.deepEqual(fields(message, 'set-cookie'), ['a=1', 'b=2'])
})

test('HEAD, 204 and 304 have no body, whatever they say of its length', async (t) => {
  const head = await asking(t, (peer, id) => peer.respond(id, 200, '', [['content-length', '99']]), 'HEAD')
  const message = await head.message({ bodiless: true })
  assert.equal(field(message, 'content-length'), '99')
  head.send('HEAD / HTTP/1.1\r\nHost: here\r\n\r\n')
  assert.equal((await head.message({ bodiless: true })).status, 200, 'the connection is in step')
  const none = await answered(t, (peer, id) => peer.respond(id, 204))
  assert.equal(field(none, 'content-length'), undefined)
  const same = await answered(t, (peer, id) => peer.respond(id, 304, '', [['content-length', '7']]))
  assert.equal(field(same, 'content-length'), '7')
})

test('interim responses are relayed', async (t) => {
  const client = await asking(t, (peer, id) => {
    peer.send(peer.block(id, [[':status', '103'], ['link', '</a>']])) // biome-ignore format: one head
    peer.respond(id, 200, 'ok')
  })
  const early = await client.message()
  assert.equal(early.status, 103)
  assert.equal(field(early, 'link'), '</a>')
  assert.equal((await client.message()).body, 'ok')
})
