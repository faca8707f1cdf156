import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { field } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { chain, eventually, problem } from '../support/proxy.ts'

const GET = 'GET / HTTP/1.1\r\nHost: here\r\n\r\n'

/** Milliseconds that `wait` takes. */
async function timed(wait: Promise<unknown>): Promise<number> {
  const began = performance.now()
  await wait
  return performance.now() - began
}

test('a head that drips is answered 408', async (t) => {
  const { origin, proxy, dial } = await chain(t, () => {}, { flags: { 'timeouts.headMs': '300' } })
  const client = await dial()
  const dripping = setInterval(() => client.send('x'), 20)
  client.send('GET /')
  const tookMs = await timed(client.until('an answer', () => client.unread.length > 0))
  clearInterval(dripping)
  const response = await client.message()
  assert.equal(response.status, 408)
  assert.equal(problem(response.body).code, 'head_timeout')
  assert.equal(field(response, 'connection'), 'close')
  assert.ok(tookMs >= 290 && tookMs < 700, `${tookMs} ms`)
  assert.ok((await proxy.finished(1))[0]!.durationUs >= 290_000, 'what it took is what it waited')
  assert.equal(origin.connections.length, 0)
})

test('a body that stops is answered 408 and its upstream let go', async (t) => {
  const { origin, dial } = await chain(
    t,
    async (peer) => {
      await peer.head()
    },
    { flags: { 'timeouts.bodyIdleMs': '300' } },
  )
  const client = await dial()
  client.send('POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n\r\n')
  for (let i = 0; i < 8; i++) {
    client.send('x')
    await sleep(100)
  }
  assert.equal(client.unread, '', 'an upload that progresses was cut')
  const tookMs = await timed(client.until('an answer', () => client.unread.length > 0))
  const response = await client.message()
  assert.equal(response.status, 408)
  const { code, connection } = problem(response.body)
  assert.deepEqual([code, connection?.reused], ['body_timeout', false])
  assert.ok(connection!.bytes_sent > 8)
  assert.ok(tookMs >= 150 && tookMs < 800, `${tookMs} ms`)
  await origin.connections[0]!.ended()
})

test('the timeout of a body is not rounded up to a whole second', async (t) => {
  const { proxy, dial } = await chain(t, (peer) => void peer.head(), { flags: { 'timeouts.bodyIdleMs': '1100' } })
  const client = await dial()
  client.send('POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n\r\nx')
  const [seen] = await proxy.finished(1)
  assert.equal(seen!.error?.code, 'body_timeout')
  assert.ok(seen!.durationUs >= 1_090_000 && seen!.durationUs < 1_600_000, `${seen!.durationUs} us`)
})

test('a reader that takes nothing is cut off', async (t) => {
  const { proxy, dial } = await chain(
    t,
    async (peer) => {
      await peer.message()
      peer.send(ok('x'.repeat(64 * 1024 * 1024)))
    },
    { flags: { 'timeouts.slowReaderMs': '400' } },
  )
  const client = await dial()
  client.send(GET)
  await client.until('first bytes', () => client.unread.length > 0)
  client.socket.pause()
  const [seen] = await proxy.finished(1)
  assert.equal(seen?.error?.code, 'client_too_slow')
  client.socket.resume()
  // Some kernels tell a paused reader of a reset by an end of the stream: what counts is that it is too short.
  await client.ended()
  assert.ok(client.unread.length < 64 * 1024 * 1024)
})

test('a reader that takes a little is not', async (t) => {
  const size = 64 * 1024 * 1024
  const { proxy, dial } = await chain(t, await Origin.answering(() => ok('x'.repeat(size))), {
    flags: { 'timeouts.slowReaderMs': '1500' },
  })
  const client = await dial()
  client.send(GET)
  for (let i = 0; i < 12; i++) {
    client.socket.pause()
    await sleep(150)
    const before = client.unread.length
    client.socket.resume()
    await client.until('more', () => client.unread.length > before + 4 * 1024 * 1024 || client.unread.length >= size)
  }
  assert.equal((await client.message()).body.length, size)
  assert.equal((await proxy.finished(1))[0]?.error, undefined)
})

test('bytes still on their way when the exchange is over are not cut off by the close', async (t) => {
  const size = 12 * 1024 * 1024
  const { dial } = await chain(
    t,
    async (peer) => {
      await peer.message()
      peer.send(`HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n${'x'.repeat(size)}`)
      peer.finish()
    },
    { flags: { 'limits.connectionBufferBytes': '16777216', 'timeouts.idleMs': '200' } },
  )
  for (const [version, header] of [
    ['1.0', ''],
    ['1.1', 'Connection: close\r\n'],
    ['1.1', ''],
  ]) {
    const client = await dial()
    client.socket.pause()
    client.send(`GET / HTTP/${version}\r\nHost: here\r\n${header}\r\n`)
    await sleep(2300)
    client.socket.resume()
    assert.equal((await client.message()).body.length, size, `${version} ${header}`)
  }
})

test('an idle connection is closed', async (t) => {
  const { dial } = await chain(t, await Origin.answering(() => ok('x')), { flags: { 'timeouts.idleMs': '300' } })
  const fresh = await dial()
  const freshMs = await timed(fresh.ended())
  assert.ok(freshMs >= 250 && freshMs < 700, `${freshMs} ms`)
  const client = await dial()
  client.send(GET)
  await client.message()
  const tookMs = await timed(client.ended())
  assert.equal(client.ending, 'fin')
  assert.ok(tookMs >= 290 && tookMs < 700, `${tookMs} ms`)
})

test('a whole exchange may take so long', async (t) => {
  const { proxy, origin, dial } = await chain(
    t,
    async (peer) => {
      const { start } = await peer.head()
      if (start.includes('body')) peer.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx')
    },
    { flags: { 'timeouts.exchangeMs': '300' } },
  )
  const client = await dial()
  client.send(GET)
  const response = await client.message()
  assert.equal(response.status, 504)
  const { code, phase, connection } = problem(response.body)
  assert.deepEqual([code, phase, connection?.reused], ['exchange_timeout', 'wait', false])
  assert.ok(connection!.bytes_sent > GET.length && connection!.age_us >= 290_000)
  await origin.connections[0]!.ended()
  const other = await dial()
  other.send('GET /body HTTP/1.1\r\nHost: here\r\n\r\n')
  assert.equal(await other.ended(), 'reset')
  assert.equal((await proxy.finished(2))[1]?.error?.code, 'exchange_timeout')
})

test('bytes of a body that came with its head count for its rate', async (t) => {
  let aheadMs = 0
  const { now } = performance
  t.mock.method(performance, 'now', () => now.call(performance) + aheadMs)
  const { proxy, dial } = await chain(t, async (peer) => {
    await peer.head()
  })
  for (const [body, status] of [
    ['x'.repeat(9000), 0],
    ['x'.repeat(1000), 408],
  ] as const) {
    const client = await dial()
    client.send(`POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 10000\r\n\r\n${body}`)
    await eventually('the exchange', () => proxy.plane.active === 1)
    // 240 bytes a second are asked for after ten seconds.
    aheadMs += 15_000
    await sleep(300)
    assert.equal(client.unread.slice(9, 12), status === 0 ? '' : `${status}`)
    client.reset()
    await eventually('the end of the exchange', () => proxy.plane.active === 0)
  }
})
