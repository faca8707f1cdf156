import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chain, eventually } from '../support/proxy.ts'

const PIECE = 'x'.repeat(1000)
const PIECES = 40_000

/** Write piece by piece, a turn of the loop apart, for as long as the peer takes them; gives how many went. */
async function drip(write: (text: string) => boolean): Promise<number> {
  let sent = 0
  for (; sent < PIECES; sent++) {
    if (!write(PIECE)) break
    await new Promise((resolve) => setImmediate(resolve))
  }
  return sent
}

test('a response in small pieces stops where its reader does', async (t) => {
  let sent = -1
  const { proxy, dial } = await chain(t, async (peer) => {
    await peer.head()
    peer.send(`HTTP/1.1 200 OK\r\nContent-Length: ${PIECES * PIECE.length}\r\n\r\n`)
    sent = await drip((text) => peer.socket.write(text) || peer.socket.writableLength < 1024 * 1024)
  })
  const client = await dial()
  client.socket.pause()
  client.send('GET / HTTP/1.1\r\nHost: here\r\n\r\n')
  await eventually('end of the drip', () => sent >= 0)
  assert.ok(sent < PIECES, 'everything was taken for a client that reads nothing')
  assert.equal(proxy.plane.active, 1)
})

test('an upload in small pieces stops where the upstream does', async (t) => {
  const { proxy, dial } = await chain(t, async (peer) => {
    await peer.head()
    peer.socket.pause()
  })
  const client = await dial()
  client.send(`POST / HTTP/1.1\r\nHost: here\r\nContent-Length: ${PIECES * PIECE.length}\r\n\r\n`)
  const sent = await drip((text) => client.socket.write(text) || client.socket.writableLength < 1024 * 1024)
  assert.ok(sent < PIECES, 'everything was taken for an upstream that reads nothing')
  assert.equal(proxy.plane.active, 1)
})
