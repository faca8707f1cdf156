import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Origin, ok } from '../support/origin.ts'
import { chain } from '../support/proxy.ts'

test('FIN right behind a request, its body included', async (t) => {
  const { dial } = await chain(t, await Origin.answering((request) => ok(`got ${request.body}`)))
  for (const text of [
    'GET / HTTP/1.1\r\nHost: here\r\n\r\n',
    'POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n',
    'POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n\r\nhello',
    'POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  ]) {
    const client = await dial()
    client.send(text)
    client.finish()
    assert.equal((await client.message()).body, text.includes('hello') ? 'got hello' : 'got ', text)
    assert.equal(await client.ended(), 'fin')
  }
})

test('the whole of a large answer arrives after the FIN, read slowly', async (t) => {
  const size = 16 * 1024 * 1024
  const { dial } = await chain(t, await Origin.answering(() => ok('x'.repeat(size))))
  const client = await dial()
  client.send('GET / HTTP/1.1\r\nHost: here\r\n\r\n')
  client.finish()
  await client.until('first bytes', () => client.unread.length > 0)
  client.socket.pause()
  await new Promise((resolve) => setTimeout(resolve, 200))
  client.socket.resume()
  assert.equal((await client.message()).body.length, size)
  assert.equal(await client.ended(), 'fin')
})

test('a FIN in the middle of a body is an abort', async (t) => {
  const { origin, proxy, dial } = await chain(t, async (peer) => {
    await peer.head()
  })
  const client = await dial()
  client.send('POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n\r\nhel')
  await origin.until('a connection', () => origin.connections.length === 1)
  await origin.connections[0]!.takeThrough('hel')
  client.finish()
  await origin.connections[0]!.ended()
  assert.equal((await proxy.finished(1))[0]?.error?.code, 'client_closed')
})

test('FIN behind the beginning of an empty line ends the connection', async (t) => {
  const { dial } = await chain(t, await Origin.answering(() => ok('x')))
  for (const [text, answers] of [
    ['\r', 0],
    ['GET / HTTP/1.1\r\nHost: here\r\n\r\n\r', 1],
    ['GET / HTTP/1.1\r\nHost: here\r\n\r\nGET / HTTP/1.1\r\nHost: here\r\n\r\n\r', 2],
  ] as const) {
    const client = await dial()
    client.send(text)
    client.finish()
    for (let i = 0; i < answers; i++) assert.equal((await client.message()).body, 'x')
    assert.equal(await client.ended(), 'fin', JSON.stringify(text))
  }
})
