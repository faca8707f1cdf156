import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ok } from '../support/origin.ts'
import { chain, problem } from '../support/proxy.ts'

const GET = 'GET / HTTP/1.1\r\nHost: here\r\n\r\n'
const HEADS = {
  length: 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf',
  chunked: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n',
}

for (const how of ['fin', 'reset'] as const) {
  test(`${how} before the first byte on a fresh connection`, async (t) => {
    const { proxy, dial, origin } = await chain(t, async (peer) => {
      await peer.message()
      if (how === 'fin') peer.finish()
      else peer.reset()
    })
    const client = await dial()
    client.send(GET)
    const response = await client.message()
    assert.equal(response.status, 502)
    const { code, phase, errno, connection, source } = problem(response.body)
    assert.deepEqual([code, phase, source], ['upstream_reset', 'wait', 'upstream'])
    assert.equal(errno, how === 'fin' ? 'FIN' : 'ECONNRESET')
    assert.equal(connection?.reused, false)
    assert.ok(connection!.age_us > 0)
    assert.equal(origin.connections.length, 1, 'it was tried again')
    const [seen] = await proxy.finished(1)
    assert.ok(connection!.bytes_sent > GET.length)
    assert.equal(seen?.error?.code, 'upstream_reset')
    // The client's connection is not to blame.
    client.send(GET)
    assert.equal((await client.message()).status, 502)
  })

  test(`${how} in the middle of the head, also on a reused connection`, async (t) => {
    let requests = 0
    const { dial, origin } = await chain(t, async (peer) => {
      await peer.message()
      requests++
      peer.send(ok('first'))
      await peer.message()
      requests++
      peer.send('HTTP/1.1 200 OK\r\nContent-Le')
      setImmediate(() => (how === 'fin' ? peer.finish() : peer.reset()))
    })
    const client = await dial()
    client.send(GET)
    await client.message()
    client.send(GET)
    const response = await client.message()
    assert.equal(response.status, 502)
    assert.equal(problem(response.body).code, 'upstream_aborted')
    assert.equal(origin.connections.length, 1, 'it was tried again')
    assert.equal(requests, 2)
  })

  for (const [framing, text] of Object.entries(HEADS)) {
    test(`${how} in the middle of a body with ${framing}: the client sees no clean end`, async (t) => {
      const { proxy, dial } = await chain(t, async (peer) => {
        await peer.head()
        peer.send(text)
        await peer.until('the word', () => peer.unread.includes('now'))
        if (how === 'fin') peer.finish()
        else peer.reset()
      })
      const client = await dial()
      client.send(`POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 3\r\n\r\n`)
      await client.takeThrough('half')
      client.send('now')
      assert.equal(await client.ended(), 'reset')
      const [seen] = await proxy.finished(1)
      assert.equal(seen?.error?.code, 'upstream_aborted')
      assert.equal(seen?.error?.phase, 'receive')
      assert.equal(seen?.responseBytes, 4)
      assert.equal(seen?.status, 200)
    })
  }
}

test('no listener at all', async (t) => {
  const { origin, dial } = await chain(t, () => {})
  const client = await dial()
  await origin.close()
  origin.close = async () => {}
  client.send(GET)
  const response = await client.message()
  assert.equal(response.status, 502)
  const { code, phase, errno } = problem(response.body)
  assert.deepEqual([code, phase, errno], ['connection_refused', 'connect', 'ECONNREFUSED'])
})
