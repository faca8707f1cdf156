import assert from 'node:assert/strict'
import { test } from 'node:test'
import { field } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { chain, problem } from '../support/proxy.ts'

const CONNECT = 'CONNECT db.internal:5432 HTTP/1.1\r\nHost: db.internal:5432\r\n\r\n'

test('refused by default, and the connection closed', async (t) => {
  const { origin, dial } = await chain(t, await Origin.answering(() => ok('x')))
  const client = await dial()
  client.send(`${CONNECT}GET /evil HTTP/1.1\r\nHost: here\r\n\r\n`)
  const response = await client.message()
  assert.equal(response.status, 405)
  assert.equal(problem(response.body).code, 'connect_refused')
  assert.ok(field(response, 'allow'))
  assert.equal(field(response, 'connection'), 'close')
  assert.equal(await client.ended(), 'fin')
  assert.equal(origin.connections.length, 0)
})

test('tunnelled with connect=tunnel', async (t) => {
  const { origin, proxy, dial } = await chain(
    t,
    async (peer) => {
      assert.equal((await peer.head()).start, 'CONNECT db.internal:5432 HTTP/1.1')
      assert.equal(peer.unread, '', 'bytes came before the tunnel stood')
      peer.send('HTTP/1.1 200 Connected\r\n\r\nwelcome')
    },
    { flags: { connect: 'tunnel' } },
  )
  const client = await dial()
  client.send(`${CONNECT}hello`)
  assert.equal((await client.head()).status, 200)
  assert.equal(await client.take(7), 'welcome')
  const upstream = origin.connections[0]!
  assert.equal(await upstream.take(5), 'hello')
  client.finish()
  await upstream.ended()
  upstream.finish()
  assert.equal(await client.ended(), 'fin')
  const [seen] = await proxy.finished(1)
  assert.deepEqual([seen?.requestBytes, seen?.responseBytes, seen?.error], [5, 7, undefined])
})

for (const framing of ['Content-Length: 0', 'Content-Length: 5', 'Transfer-Encoding: chunked\r\nContent-Length: 5']) {
  test(`the framing of an answer that opens the tunnel is ignored: ${framing.replace('\r\n', ', ')}`, async (t) => {
    const { dial } = await chain(
      t,
      async (peer) => {
        await peer.head()
        peer.send(`HTTP/1.1 200 Connected\r\n${framing}\r\nVia: 1.1 it\r\n\r\nwelcome`)
      },
      { flags: { connect: 'tunnel' } },
    )
    const client = await dial()
    client.send(CONNECT)
    const head = await client.head()
    assert.deepEqual([head.status, field(head, 'via')], [200, '1.1 it'])
    assert.deepEqual([field(head, 'content-length'), field(head, 'transfer-encoding')], [undefined, undefined])
    assert.equal(await client.take(7), 'welcome')
  })
}

test('a CONNECT that the upstream refuses ends the connection', async (t) => {
  const { origin, dial } = await chain(
    t,
    await Origin.answering(() => 'HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno'),
    { flags: { connect: 'tunnel' } },
  )
  const client = await dial()
  client.send(`${CONNECT}GET /evil HTTP/1.1\r\nHost: here\r\n\r\n`)
  assert.equal((await client.message()).status, 403)
  assert.equal(await client.ended(), 'fin')
  assert.equal(origin.requests.length, 1)
})
