import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Origin, ok } from '../support/origin.ts'
import { chain } from '../support/proxy.ts'

const nextRead = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

const REQUESTS = [
  '\r\nGET /path?q=1 HTTP/1.1\r\nHost: here\r\nX-A:  spaced \r\n\r\n',
  'POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 6\r\n\r\nabcdef',
  'POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n3\r\ndef\r\n0\r\nX-T: 1\r\n\r\n',
]

test('requests', async (t) => {
  const { dial } = await chain(t, await Origin.answering(({ start, body }) => ok(`${start} ${body}`)))
  const client = await dial()
  for (const request of REQUESTS) {
    const whole = request.includes('POST') ? 'POST / HTTP/1.1 abcdef' : 'GET /path?q=1 HTTP/1.1 '
    for (let at = 1; at < request.length; at++) {
      client.send(request.slice(0, at))
      await nextRead()
      client.send(request.slice(at))
      assert.equal((await client.message()).body, whole, `split at ${at}`)
    }
  }
})

const RESPONSES = [
  'HTTP/1.1 200 OK\r\nContent-Length: 6\r\nX-A:  spaced \r\n\r\nabcdef',
  'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n3\r\ndef\r\n0\r\nX-T: 1\r\n\r\n',
]

test('responses', async (t) => {
  let answer = ''
  let at = 0
  const { dial, proxy } = await chain(t, async (peer) => {
    for (;;) {
      await peer.message()
      peer.send(answer.slice(0, at))
      await nextRead()
      peer.send(answer.slice(at))
    }
  })
  const client = await dial()
  for (answer of RESPONSES) {
    for (at = 1; at < answer.length; at++) {
      client.send('GET / HTTP/1.1\r\nHost: here\r\n\r\n')
      let response = await client.message()
      if (response.status === 103) response = await client.message()
      assert.equal(response.body, 'abcdef', `split at ${at}`)
    }
  }
  assert.ok(proxy.exchanges.every(({ error, attempts }) => error === undefined && attempts === 1))
})
