import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { field } from '../support/client.ts'
import { ok } from '../support/origin.ts'
import { chain } from '../support/proxy.ts'

const HEAD = 'POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n'

test('the 100 comes from the upstream and from nobody else', async (t) => {
  const { origin, dial } = await chain(t, async (peer) => {
    assert.equal(field(await peer.head(), 'expect'), '100-continue')
  })
  const client = await dial()
  client.send(HEAD)
  await origin.until('request head', () => origin.connections[0]?.unread === '' && origin.connections.length === 1)
  const [upstream] = origin.connections
  assert.equal(client.unread, '', 'the proxy made a 100 of its own')
  upstream!.send('HTTP/1.1 100 Continue\r\n\r\n')
  assert.equal((await client.message()).status, 100)
  client.send('body')
  assert.equal(await upstream!.take(4), 'body')
  upstream!.send(ok('thanks'))
  assert.equal((await client.message()).body, 'thanks')
  assert.equal(client.unread, '')
})

test('a final status before the 100 reaches the client, and no byte behind it is taken for a request', async (t) => {
  const { origin, dial } = await chain(t, async (peer) => {
    await peer.head()
    peer.send('HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n')
  })
  const client = await dial()
  client.send(HEAD)
  assert.equal((await client.message()).status, 417)
  client.send('GET /evil HTTP/1.1\r\nHost: here\r\n\r\n')
  assert.equal(await client.ended(), 'fin')
  assert.equal(origin.connections.length, 1)
  assert.equal(origin.connections[0]!.unread, '')
})

test('the body sent without waiting is relayed', async (t) => {
  const { dial } = await chain(t, async (peer) => {
    const { body } = await peer.message()
    peer.send(`HTTP/1.1 100 Continue\r\n\r\n${ok(body)}`)
  })
  const client = await dial()
  client.send(`${HEAD}eage`)
  assert.equal((await client.message()).status, 100)
  assert.equal((await client.message()).body, 'eage')
})

test('a client that waits for its 100 owes no body, and owes it once it has that', async (t) => {
  const { proxy, dial } = await chain(
    t,
    async (peer) => {
      await peer.head()
      await sleep(700)
      peer.send('HTTP/1.1 100 Continue\r\n\r\n')
    },
    { flags: { 'timeouts.bodyIdleMs': '300' } },
  )
  const client = await dial()
  client.send(HEAD)
  assert.equal((await client.message()).status, 100)
  const began = performance.now()
  assert.equal((await client.message()).status, 408)
  const waitedMs = performance.now() - began
  assert.ok(waitedMs >= 250, `${waitedMs} ms`)
  assert.equal((await proxy.finished(1))[0]?.error?.code, 'body_timeout')
})

test('a client that began without its 100 owes the rest', async (t) => {
  const { dial } = await chain(
    t,
    async (peer) => {
      await peer.head()
    },
    { flags: { 'timeouts.bodyIdleMs': '300' } },
  )
  const client = await dial()
  client.send(HEAD)
  await sleep(600)
  client.send('bo')
  assert.equal((await client.message()).status, 408)
})
