import assert from 'node:assert/strict'
import { test } from 'node:test'
import { field } from '../support/client.ts'
import { chain } from '../support/proxy.ts'

const ANSWER = 'HTTP/1.1 413 Content Too Large\r\nContent-Length: 7\r\nConnection: close\r\n\r\ntoo big'
const MEGABYTES = 32

async function upload(send: (text: string) => void, drained: () => Promise<void>): Promise<void> {
  send(`POST / HTTP/1.1\r\nHost: here\r\nContent-Length: ${MEGABYTES * 1024 * 1024}\r\n\r\n`)
  for (let i = 0; i < MEGABYTES; i++) {
    send('x'.repeat(1024 * 1024))
    await drained()
  }
}

for (const how of ['reads on', 'closes', 'resets'] as const) {
  test(`a server that answers 413 and then ${how}`, async (t) => {
    const { proxy, dial } = await chain(t, async (peer) => {
      await peer.head()
      peer.socket.pause()
      peer.socket.write(ANSWER, 'latin1', () => {
        if (how === 'closes') peer.socket.destroy()
        // Unread bytes make the kernel answer close() with RST; here the FIN goes first.
        else if (how === 'resets') peer.socket.end(() => peer.socket.destroy())
        else peer.socket.resume()
      })
    })
    for (let round = 0; round < 5; round++) {
      const client = await dial()
      const gone = client.ended()
      gone.catch(() => {})
      const sending = upload(
        (text) => client.send(text),
        async () => {
          if (client.socket.writableLength > 1024 * 1024) {
            await Promise.race([gone, new Promise<void>((resolve) => client.socket.once('drain', resolve))])
          }
        },
      )
      const response = await client.message()
      assert.equal(response.status, 413)
      assert.equal(response.body, 'too big')
      await sending
      await gone
      assert.equal((await proxy.finished(round + 1))[round]?.error, undefined)
      assert.equal(field(response, 'content-length'), '7')
    }
  })
}

test('a server that answers while it takes the rest keeps both directions going', async (t) => {
  const { origin, dial } = await chain(t, async (peer) => {
    await peer.head()
    peer.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
    for (const part of ['one', 'two', 'end']) {
      await peer.takeThrough(part)
      peer.send(`3\r\n${part}\r\n`)
    }
    peer.send('0\r\n\r\n')
  })
  const client = await dial()
  client.send('POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\n')
  await client.head()
  for (const part of ['one', 'two', 'end']) {
    client.send(part)
    await client.takeThrough(part)
  }
  await client.takeThrough('0\r\n\r\n')
  assert.equal(origin.connections.length, 1)
})
