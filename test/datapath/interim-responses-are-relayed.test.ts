import assert from 'node:assert/strict'
import { test } from 'node:test'
import { field } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { chain, problem } from '../support/proxy.ts'

const HINT = 'HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n'

test('each with its fields, before the final response', async (t) => {
  const { dial } = await chain(t, await Origin.answering(() => `HTTP/1.1 102 Processing\r\n\r\n${HINT}${ok('done')}`))
  const client = await dial()
  client.send('GET / HTTP/1.1\r\nHost: here\r\n\r\n')
  assert.equal((await client.message()).status, 102)
  const hints = await client.message()
  assert.equal(hints.status, 103)
  assert.equal(field(hints, 'link'), '</style.css>')
  assert.equal(field(hints, 'x-hop'), undefined)
  assert.equal((await client.message()).body, 'done')
})

test('at once, not with the final response', async (t) => {
  const { origin, dial } = await chain(t, async (peer) => {
    await peer.message()
    peer.send(HINT)
  })
  const client = await dial()
  client.send('GET / HTTP/1.1\r\nHost: here\r\n\r\n')
  assert.equal((await client.message()).status, 103)
  origin.connections[0]!.send(ok('later'))
  assert.equal((await client.message()).body, 'later')
})

test('eight pass, a ninth is an error', async (t) => {
  const { proxy, dial } = await chain(t, async (peer) => {
    for (;;) {
      const { start } = await peer.message()
      const count = start.includes('eight') ? 8 : 9
      peer.send(HINT.repeat(count) + ok('done'))
    }
  })
  const client = await dial()
  client.send('GET /eight HTTP/1.1\r\nHost: here\r\n\r\n')
  for (let i = 0; i < 8; i++) assert.equal((await client.message()).status, 103)
  assert.equal((await client.message()).body, 'done')
  const other = await dial()
  other.send('GET /nine HTTP/1.1\r\nHost: here\r\n\r\n')
  for (let i = 0; i < 8; i++) assert.equal((await other.message()).status, 103)
  const failed = await other.message()
  assert.equal(failed.status, 502)
  assert.equal(problem(failed.body).code, 'too_many_informational')
  assert.equal((await proxy.finished(2))[1]?.error?.code, 'too_many_informational')
})

test('a 101 that nobody asked for is an error', async (t) => {
  const { origin, dial } = await chain(t, async (peer) => {
    await peer.message()
    peer.send('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  })
  const client = await dial()
  client.send('GET / HTTP/1.1\r\nHost: here\r\n\r\n')
  const failed = await client.message()
  assert.equal(failed.status, 502)
  assert.equal(problem(failed.body).code, 'bad_response')
  await origin.connections[0]!.ended()
})
