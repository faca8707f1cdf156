import assert from 'node:assert/strict'
import { test } from 'node:test'
import { field } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { chain } from '../support/proxy.ts'

test('with Host and without', async (t) => {
  const origin = await Origin.answering(() => ok('ten'))
  const { dial } = await chain(t, origin)
  for (const head of [
    'GET / HTTP/1.0\r\n\r\n',
    'GET / HTTP/1.0\r\nHost: old.example\r\nConnection: keep-alive\r\n\r\n',
  ]) {
    const client = await dial()
    client.send(head)
    const response = await client.message()
    assert.equal(response.body, 'ten')
    assert.equal(field(response, 'connection'), 'close')
    assert.equal(await client.ended(), 'fin')
  }
  assert.equal(field(origin.requests[0]!, 'host'), `127.0.0.1:${origin.port}`)
  assert.equal(field(origin.requests[1]!, 'host'), 'old.example')
  assert.ok(origin.requests.every(({ start }) => start === 'GET / HTTP/1.1'))
})

test('a chunked response is delimited by the close', async (t) => {
  const { dial } = await chain(
    t,
    await Origin.answering(
      () => 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n',
    ),
  )
  const client = await dial()
  client.send('GET / HTTP/1.0\r\n\r\n')
  const response = await client.message()
  assert.equal(field(response, 'transfer-encoding'), undefined)
  assert.equal(field(response, 'content-length'), undefined)
  assert.equal(response.body, 'abcdef')
  assert.equal(client.ending, 'fin')
})

test('one that breaks off is not closed cleanly', async (t) => {
  const { dial } = await chain(t, async (peer) => {
    await peer.message()
    peer.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n')
    peer.finish()
  })
  const client = await dial()
  client.send('GET / HTTP/1.0\r\n\r\n')
  assert.equal(await client.ended(), 'reset')
})

test('interim responses are not for them', async (t) => {
  const { dial } = await chain(
    t,
    await Origin.answering(() => `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${ok('x')}`),
  )
  const client = await dial()
  client.send('GET / HTTP/1.0\r\n\r\n')
  assert.equal((await client.message()).status, 200)
})
