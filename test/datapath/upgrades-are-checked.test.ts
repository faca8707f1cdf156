import assert from 'node:assert/strict'
import { test } from 'node:test'
import { field, fields } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { chain, problem } from '../support/proxy.ts'

const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='
const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
const ASK = `GET /chat HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\n\r\n`
const agree = (accept: string): string =>
  `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`

test('bytes that the client sends before the 101 are held until it comes', async (t) => {
  const { origin, dial } = await chain(t, async (peer) => {
    await peer.head()
  })
  const client = await dial()
  client.send(`${ASK}early`)
  await origin.until('a connection', () => origin.connections.length === 1)
  const upstream = origin.connections[0]!
  client.send(' bytes')
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.equal(upstream.unread, '')
  upstream.send(`${agree(ACCEPT)}and early ones back`)
  assert.equal((await client.head()).status, 101)
  assert.equal(await client.takeThrough('back'), 'and early ones back')
  assert.equal(await upstream.take(11), 'early bytes')
  client.finish()
  assert.equal(await upstream.ended(), 'fin')
  upstream.send('last words')
  assert.equal(await client.takeThrough('words'), 'last words')
})

test('a 101 with the wrong Sec-WebSocket-Accept is an error and nothing passes', async (t) => {
  const { origin, dial } = await chain(t, async (peer) => {
    await peer.head()
    peer.send(`${agree(`x${ACCEPT.slice(1)}`)}smuggled`)
  })
  const client = await dial()
  client.send(`${ASK}early`)
  const response = await client.message()
  assert.equal(response.status, 502)
  assert.equal(problem(response.body).code, 'bad_response')
  assert.equal(field(response, 'connection'), 'close')
  assert.equal(await client.ended(), 'fin')
  assert.equal(client.unread, '')
  assert.equal(origin.connections[0]!.unread, '')
})

test('another answer is relayed, and what follows is not read as a request', async (t) => {
  const { origin, dial } = await chain(t, await Origin.answering(() => ok('no')))
  const client = await dial()
  client.send(`${ASK}GET /evil HTTP/1.1\r\nHost: here\r\n\r\n`)
  const response = await client.message()
  assert.equal(response.body, 'no')
  assert.equal(field(response, 'connection'), 'close')
  assert.equal(await client.ended(), 'fin')
  assert.equal(origin.requests.length, 1)
})

test('a 426 keeps its Upgrade, and Connection names it', async (t) => {
  const wanted =
    'HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n'
  const { dial } = await chain(t, await Origin.answering(() => wanted))
  const client = await dial()
  client.send('GET / HTTP/1.1\r\nHost: here\r\n\r\n')
  const kept = await client.message()
  assert.deepEqual([fields(kept, 'upgrade'), fields(kept, 'connection')], [['websocket'], ['Upgrade']])
  client.send('GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n')
  const last = await client.message()
  assert.deepEqual([fields(last, 'upgrade'), fields(last, 'connection')], [['websocket'], ['close, Upgrade']])
})
