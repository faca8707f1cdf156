import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { Origin, ok } from '../support/origin.ts'
import { chain } from '../support/proxy.ts'

const asked = [
  ['Connection: close', 'GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n'],
  ['HTTP/1.0', 'GET / HTTP/1.0\r\nHost: here\r\n\r\n'],
  ['a body that was read', 'POST / HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc'],
  [
    'a chunked body with trailers',
    'POST / HTTP/1.1\r\nHost: here\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nA: b\r\n\r\n',
  ],
] as const

for (const [what, request] of asked) {
  test(`${what}: the answer, FIN, and nothing is read any more`, async (t) => {
    const origin = await Origin.answering(() => ok('whole'))
    const { dial } = await chain(t, origin)
    const client = await dial()
    client.send(request)
    assert.equal((await client.message()).body, 'whole')
    assert.equal(await client.ended(), 'fin')
    // Within the two seconds for which a connection lingers. Node sees a reset at the next write.
    for (let waited = 0; waited < 1000 && client.ending === 'fin'; waited += 10) {
      client.send('x')
      await setTimeout(10)
    }
    assert.equal(client.ending, 'reset')
  })
}

test('what a client sends behind its last request, with it, does not harm the answer', async (t) => {
  const origin = await Origin.answering(() => ok('whole'))
  const { dial } = await chain(t, origin)
  const client = await dial()
  client.send(`${asked[0][1]}GET /again HTTP/1.1\r\nHost: here\r\n\r\n`)
  assert.equal((await client.message()).body, 'whole')
  assert.equal(await client.ended(), 'fin')
  assert.deepEqual([client.unread, origin.requests.length], ['', 1])
})

test('an answer larger than the buffers reaches a client that takes its time', async (t) => {
  const size = 12 * 1024 * 1024
  const origin = await Origin.answering(() => ok('x'.repeat(size)))
  const { dial } = await chain(t, origin)
  const client = await dial()
  client.socket.pause()
  client.send(asked[0][1])
  await origin.until('the request', () => origin.requests.length === 1)
  await setTimeout(300)
  client.socket.resume()
  assert.equal((await client.message()).body.length, size)
  assert.equal(await client.ended(), 'fin')
})

test('where we close and the client did not ask, what it still sends is read for a while', async (t) => {
  const origin = await Origin.answering(() => 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n')
  const { proxy, dial } = await chain(t, origin)
  const client = await dial()
  client.send('GET / HTTP/1.1\r\nHost: here\r\nExpect: something\r\n\r\n')
  assert.equal((await client.message()).status, 417)
  assert.equal(await client.ended(), 'fin')
  client.send('x'.repeat(100))
  await setTimeout(200)
  assert.equal(client.ending, 'fin')
  client.finish()
  await proxy.finished(1)
})
