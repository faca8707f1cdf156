import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { chain } from '../support/proxy.ts'

const SIZE = 12 * 1024 * 1024
const HEAD = `POST / HTTP/1.1\r\nHost: here\r\nContent-Length: ${SIZE}\r\n\r\n`
const ANSWER = 'HTTP/1.1 413 Content Too Large\r\nContent-Length: 7\r\n\r\ntoo big'

test('a client that sends all of a large body before it reads gets the early answer', async (t) => {
  const { dial } = await chain(t, async (peer) => {
    await peer.head()
    peer.send(ANSWER)
  })
  const client = await dial()
  client.socket.pause()
  client.send(HEAD)
  await sleep(100)
  await new Promise<void>((resolve, reject) => {
    client.socket.write('x'.repeat(SIZE), (error) => (error ? reject(error) : resolve()))
  })
  client.socket.resume()
  assert.equal((await client.message()).body, 'too big')
  assert.equal(await client.ended(), 'fin')
})

test('a client that sends on for ever behind its answer is cut off', async (t) => {
  let aheadMs = 0
  const { now } = performance
  t.mock.method(performance, 'now', () => now.call(performance) + aheadMs)
  const { proxy, dial } = await chain(t, async (peer) => {
    await peer.head()
    peer.send(ANSWER)
  })
  const client = await dial()
  client.send(HEAD)
  assert.equal((await client.message()).status, 413)
  const sending = setInterval(() => client.send('x'), 20)
  t.after(() => clearInterval(sending))
  // Steps within which it is not thought to have stopped.
  let seconds = 0
  for (; proxy.plane.connections > 0 && seconds < 40; seconds++) {
    await sleep(60)
    aheadMs += 1000
  }
  assert.ok(seconds > 20 && seconds < 34, `cut off after ${seconds} s`)
})
