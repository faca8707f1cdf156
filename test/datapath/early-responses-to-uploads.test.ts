import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { field, fields } from '../support/client.ts'
import { ok } from '../support/origin.ts'
import { chain, eventually } from '../support/proxy.ts'

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

const UPLOAD = 'POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\none'

test('an answer that is complete before the upload says that the connection closes', async (t) => {
  for (const answer of [
    'HTTP/1.1 413 Content Too Large\r\nContent-Length: 7\r\n\r\ntoo big',
    'HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n',
    'HTTP/1.1 204 No Content\r\n\r\n',
    'HTTP/1.1 413 Content Too Large\r\nTransfer-Encoding: chunked\r\n\r\n7\r\ntoo big\r\n0\r\n\r\n',
  ]) {
    const { dial } = await chain(t, async (peer) => {
      await peer.takeThrough('one')
      peer.send(answer)
    })
    const client = await dial()
    client.send(UPLOAD)
    const response = await client.message()
    assert.deepEqual(fields(response, 'connection'), ['close'], answer)
    assert.equal(await client.ended(), 'fin')
    // Not read as a request either.
    client.send('rest!!GET / HTTP/1.1\r\nHost: here\r\n\r\n')
    client.finish()
    assert.equal(client.unread, '')
  }
})

test('an answer that begins before the upload ends, and ends behind it, says nothing: the connection goes on', async (t) => {
  const { dial } = await chain(t, async (peer) => {
    await peer.takeThrough('one')
    peer.send('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nso')
    await peer.takeThrough('resttt')
    peer.send('me')
    await peer.message()
    peer.send(ok('again'))
  })
  const client = await dial()
  client.send(UPLOAD)
  const head = await client.head()
  assert.equal(field(head, 'connection'), undefined)
  client.send('resttt')
  assert.equal(await client.take(4), 'some')
  client.send('GET / HTTP/1.1\r\nHost: here\r\n\r\n')
  assert.equal((await client.message()).body, 'again')
})

test('a client that stops sending is not cut off from the response that it is getting', async (t) => {
  const { dial } = await chain(
    t,
    async (peer) => {
      await peer.takeThrough('one')
      peer.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
      for (let i = 0; i < 9; i++) {
        await sleep(100)
        peer.send('1\r\nx\r\n')
      }
      peer.send('0\r\n\r\n')
    },
    { flags: { 'timeouts.bodyIdleMs': '300' } },
  )
  const client = await dial()
  client.send(UPLOAD)
  assert.equal((await client.message()).body, 'xxxxxxxxx')
})

test('who uploads slowly may send all of it before it looks for the answer', async (t) => {
  const { dial, proxy } = await chain(t, async (peer) => {
    await peer.takeThrough('0')
    peer.send(ANSWER)
  })
  const client = await dial()
  client.send('POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 16\r\n\r\n')
  // More than the two seconds for which others linger.
  for (let i = 0; i < 16; i++) {
    client.send((i % 10).toString())
    await sleep(250)
    assert.notEqual(client.ending, 'reset', `${i}`)
  }
  assert.equal((await client.message()).body, 'too big')
  const stoppedMs = performance.now()
  await eventually('the end', () => proxy.plane.connections === 0)
  assert.ok(performance.now() - stoppedMs < 4000, 'one that has stopped is closed soon')
})
