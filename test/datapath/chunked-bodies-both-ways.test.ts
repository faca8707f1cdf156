import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { field } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { chain, problem } from '../support/proxy.ts'

const CHUNKED = '4;name=value;other="quoted; text"\r\nWiki\r\n5\r\npedia\r\n0;last\r\nX-Sum: 9\r\nHost: evil\r\n\r\n'

test('a chunked request is relayed without its extensions', async (t) => {
  const { origin, dial } = await chain(t, await Origin.answering((request) => ok(request.body)))
  const client = await dial()
  client.send(`POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKED}`)
  assert.equal((await client.message()).body, 'Wikipedia')
  const [request] = origin.requests
  assert.ok(request !== undefined)
  assert.ok(
    request.chunks.every((line) => /^[0-9a-f]+$/.test(line)),
    String(request.chunks),
  )
  assert.equal(field(request, 'transfer-encoding'), 'chunked')
  assert.equal(field(request, 'content-length'), undefined)
  assert.ok(!request.trailers.some(([name]) => name === 'Host'), 'a forbidden trailer was passed on')
})

const answer = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n${CHUNKED}`

test('trailers of a response go to a client that asked for them', async (t) => {
  const { origin, dial } = await chain(t, await Origin.answering(() => answer))
  const client = await dial()
  client.send('GET / HTTP/1.1\r\nHost: here\r\nTE: trailers\r\nConnection: TE\r\n\r\n')
  const response = await client.message()
  assert.equal(response.body, 'Wikipedia')
  assert.deepEqual(response.trailers, [['X-Sum', '9']])
  assert.ok(
    response.chunks.every((line) => /^[0-9a-f]+$/.test(line)),
    String(response.chunks),
  )
  assert.equal(field(origin.requests[0]!, 'te'), 'trailers')
})

test('and not to one that did not', async (t) => {
  const { origin, dial } = await chain(t, await Origin.answering(() => answer))
  const client = await dial()
  client.send('GET / HTTP/1.1\r\nHost: here\r\n\r\n')
  const response = await client.message()
  assert.equal(response.body, 'Wikipedia')
  assert.deepEqual(response.trailers, [])
  assert.equal(field(origin.requests[0]!, 'te'), undefined)
})

test('trailers survive a stage that waits at the end of the response', async (t) => {
  const { dial } = await chain(t, await Origin.answering(() => answer), {
    stages: [{ name: 'slow', role: 'observe', onResponseEnd: () => sleep(20, undefined) }],
  })
  const client = await dial()
  client.send('GET / HTTP/1.1\r\nHost: here\r\nTE: trailers\r\nConnection: TE\r\n\r\n')
  const response = await client.message()
  assert.deepEqual(response.trailers, [['X-Sum', '9']])
})

test('a body that ends with the connection becomes chunked, and the client may go on', async (t) => {
  const { dial } = await chain(t, async (peer) => {
    await peer.message()
    peer.send('HTTP/1.1 200 OK\r\n\r\nuntil the end')
    peer.finish()
  })
  const client = await dial()
  for (let i = 0; i < 2; i++) {
    client.send('GET / HTTP/1.1\r\nHost: here\r\n\r\n')
    const response = await client.message()
    assert.equal(field(response, 'transfer-encoding'), 'chunked')
    assert.equal(response.body, 'until the end')
  }
})

test('a malformed chunk of a request ends it with 400 and the upstream sees no whole request', async (t) => {
  const { origin, dial } = await chain(t, async (peer) => {
    await peer.head()
  })
  const client = await dial()
  client.send('POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n')
  await origin.until('a connection', () => origin.connections.length === 1)
  const upstream = origin.connections[0]!
  await upstream.takeThrough('abc\r\n')
  client.send('zz\r\n')
  const response = await client.message()
  assert.equal(response.status, 400)
  assert.equal(problem(response.body).code, 'bad_chunk')
  await upstream.ended()
  assert.equal(upstream.unread, '')
})

test('a malformed chunk of a response breaks the response off', async (t) => {
  const { proxy, dial } = await chain(t, async (peer) => {
    await peer.message()
    peer.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n')
  })
  const client = await dial()
  client.send('GET / HTTP/1.1\r\nHost: here\r\n\r\n')
  assert.equal(await client.ended(), 'reset')
  const [seen] = await proxy.finished(1)
  assert.equal(seen?.error?.code, 'bad_response')
})

test('trailers of a request may be longer than what is held otherwise', async (t) => {
  const { origin, dial } = await chain(t, await Origin.answering((request) => ok(request.body)), {
    flags: { 'limits.connectionBufferBytes': '4096', 'timeouts.bodyIdleMs': '1000' },
  })
  const client = await dial()
  const trailer = 'y'.repeat(10_000)
  client.send(`POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Long: ${trailer}`)
  await sleep(100)
  client.send('z\r\n\r\n')
  assert.equal((await client.message()).body, 'abc')
  assert.deepEqual(origin.requests[0]?.trailers, [['X-Long', `${trailer}z`]])
})
