import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Origin, ok } from '../support/origin.ts'
import { addUp, delayIn, shown } from '../support/phases.ts'
import { chain } from '../support/proxy.ts'

const GET = 'GET / HTTP/1.1\r\nHost: here\r\n\r\n'

test('for every kind of exchange', async (t) => {
  const { proxy, dial } = await chain(
    t,
    async (peer) => {
      for (;;) {
        const { start, body } = await peer.message()
        const path = start.split(' ')[1]
        if (path === '/reset') peer.reset()
        else if (path === '/half') peer.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf')
        else if (path === '/bad') peer.send('nonsense\r\n\r\n')
        else if (path === '/hints') peer.send(`HTTP/1.1 103 Early Hints\r\n\r\n${ok('x')}`)
        else if (path === '/last') peer.send('HTTP/1.1 200 OK\r\n\r\nx')
        else if (path === '/silent') continue
        else peer.send(ok(body))
        if (path === '/half' || path === '/last') peer.finish()
      }
    },
    { flags: { 'timeouts.firstByteMs': '100' } },
  )
  const kinds = [
    GET,
    'HEAD / HTTP/1.1\r\nHost: here\r\n\r\n',
    'POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\n\r\nbody',
    'POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n',
    'BAD\r\n\r\n',
    'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n',
    'GET / HTTP/1.0\r\n\r\n',
    ...['/reset', '/half', '/bad', '/hints', '/last', '/silent'].map((path) => GET.replace('/', path)),
  ]
  let count = 0
  for (const kind of kinds) {
    for (const reused of [false, true]) {
      const client = await dial()
      if (reused) {
        client.send(GET)
        await client.message()
        count++
      }
      client.send(kind)
      await proxy.finished(++count)
      client.reset()
    }
  }
  for (const seen of proxy.exchanges) addUp(seen)
  assert.ok(proxy.exchanges.some(({ reused }) => reused))
  assert.ok(proxy.exchanges.some(({ attempts }) => attempts === 2))
})

const DELAY_MS = 200

test('a delay before the answer is in wait', async (t) => {
  const { proxy, dial } = await chain(t, async (peer) => {
    await peer.message()
    await sleep(DELAY_MS)
    peer.send(ok('x'))
  })
  const client = await dial()
  client.send(GET)
  await client.message()
  delayIn((await proxy.finished(1))[0]!, 'wait', DELAY_MS)
})

test('a delay in the middle of the body is in receive', async (t) => {
  const { proxy, dial } = await chain(t, async (peer) => {
    await peer.message()
    peer.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx')
    await sleep(DELAY_MS)
    peer.send('y')
  })
  const client = await dial()
  client.send(GET)
  await client.message()
  delayIn((await proxy.finished(1))[0]!, 'receive', DELAY_MS)
})

test('an upstream that reads slowly is in send', async (t) => {
  const size = 32 * 1024 * 1024
  const { proxy, dial } = await chain(t, async (peer) => {
    await peer.head()
    peer.socket.pause()
    await sleep(2 * DELAY_MS)
    peer.socket.resume()
    await peer.take(size)
    peer.send(ok('x'))
  })
  const client = await dial()
  client.send(`POST / HTTP/1.1\r\nHost: here\r\nContent-Length: ${size}\r\n\r\n`)
  client.send('x'.repeat(size))
  await client.message()
  const ms = shown((await proxy.finished(1))[0]!)
  assert.ok(ms.send! >= 2 * DELAY_MS - 20, JSON.stringify(ms))
  assert.ok(ms.send! > 4 * ms.wait!, JSON.stringify(ms))
})

test('a client that sends slowly is in send, and nowhere else', async (t) => {
  const { proxy, dial } = await chain(t, await Origin.answering(() => ok('x')))
  const client = await dial()
  client.send('POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n\r\na')
  await sleep(DELAY_MS)
  client.send('b')
  await client.message()
  delayIn((await proxy.finished(1))[0]!, 'send', DELAY_MS)
})

test('a wait for a free connection is in queue', async (t) => {
  const { origin, proxy, dial } = await chain(
    t,
    await Origin.start(async (peer) => {
      await peer.message()
      await sleep(DELAY_MS)
      peer.send(ok('first'))
      await peer.message()
      peer.send(ok('second'))
    }),
    { flags: { 'upstream.maxConnections': '1' } },
  )
  const [first, second] = [await dial(), await dial()]
  first.send(GET)
  await origin.until('the first request', () => origin.connections.length === 1)
  second.send(GET)
  assert.equal((await second.message()).body, 'second')
  const seen = (await proxy.finished(2))[1]!
  assert.deepEqual(Object.keys(seen.phases), ['queue', 'send', 'wait', 'receive'])
  assert.ok(shown(seen).queue! > DELAY_MS - 60, JSON.stringify(shown(seen)))
})
