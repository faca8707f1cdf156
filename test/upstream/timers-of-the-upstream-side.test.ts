import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { Peer } from '../support/client.ts'
import { ok } from '../support/origin.ts'
import { chain, problem, TestProxy } from '../support/proxy.ts'

/** Listens with the shortest queue there is and tells its port. */
const LISTENER = `
  const server = require('node:net').createServer()
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => process.send(server.address().port))
`

const GET = 'GET / HTTP/1.1\r\nHost: here\r\n\r\n'

test('no first byte in time: 504, with the bytes sent and the age of the connection', async (t) => {
  const { origin, proxy, dial } = await chain(
    t,
    async (peer) => {
      await peer.message()
    },
    { flags: { 'timeouts.firstByteMs': '300' } },
  )
  const client = await dial()
  const began = performance.now()
  client.send(GET)
  const response = await client.message()
  const tookMs = performance.now() - began
  assert.equal(response.status, 504)
  const { code, phase, connection } = problem(response.body)
  assert.deepEqual([code, phase, connection?.reused], ['first_byte_timeout', 'wait', false])
  assert.ok(connection!.bytes_sent > GET.length && connection!.age_us >= 290_000)
  assert.ok(tookMs >= 290 && tookMs < 800, `${tookMs} ms`)
  await origin.connections[0]!.ended()
  const [seen] = await proxy.finished(1)
  assert.ok(seen!.phases.wait! >= 290_000)
  client.send(GET)
  assert.equal((await client.message()).status, 504, 'the connection of the client goes on')
})

test('an upload in progress does not count as waiting for the first byte', async (t) => {
  const { dial } = await chain(
    t,
    async (peer) => {
      const { body } = await peer.message()
      peer.send(ok(body))
    },
    { flags: { 'timeouts.firstByteMs': '300' } },
  )
  const client = await dial()
  client.send('POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 6\r\n\r\n')
  for (const byte of 'slowly') {
    await new Promise((resolve) => setTimeout(resolve, 120))
    client.send(byte)
  }
  assert.equal((await client.message()).body, 'slowly')
})

test('a response head that drips', async (t) => {
  const { dial } = await chain(
    t,
    async (peer) => {
      await peer.message()
      peer.send('HTTP/1.1 200 OK\r\nX-Drip: ')
      const dripping = setInterval(() => peer.send('x'), 20)
      peer.socket.on('close', () => clearInterval(dripping))
    },
    { flags: { 'timeouts.upstreamHeadMs': '300' } },
  )
  const client = await dial()
  client.send(GET)
  const response = await client.message()
  assert.equal(response.status, 504)
  const { code, detail } = problem(response.body)
  assert.deepEqual([code, detail], ['first_byte_timeout', 'it began, and its head was not complete in time'])
})

for (const [what, answer, flag] of [
  ['no first byte', '', 'firstByteMs'],
  ['half a head', 'HTTP/1.1 200 OK\r\nX-', 'upstreamHeadMs'],
  ['half a body', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf', 'responseIdleMs'],
] as const) {
  test(`a timeout is not rounded up to a whole second: ${what}`, async (t) => {
    const { proxy, dial } = await chain(
      t,
      async (peer) => {
        await peer.message()
        if (answer !== '') peer.send(answer)
      },
      { flags: { 'timeouts.firstByteMs': '0', [`timeouts.${flag}`]: '1100' } },
    )
    const client = await dial()
    client.send(GET)
    const [seen] = await proxy.finished(1)
    assert.ok(seen!.durationUs >= 1_090_000 && seen!.durationUs < 1_600_000, `${seen!.durationUs} us`)
  })
}

test('a body that falls silent breaks off; one that drips does not', async (t) => {
  const { proxy, dial } = await chain(
    t,
    async (peer) => {
      const { start } = await peer.message()
      peer.send('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n')
      for (const byte of start.includes('drip') ? 'slowly' : 'slow') {
        peer.send(byte)
        await new Promise((resolve) => setTimeout(resolve, 120))
      }
    },
    { flags: { 'timeouts.responseIdleMs': '300', 'upstream.reuse': 'client' } },
  )
  const client = await dial()
  client.send('GET /drip HTTP/1.1\r\nHost: here\r\n\r\n')
  assert.equal((await client.message()).body, 'slowly')
  const other = await dial()
  other.send('GET /stop HTTP/1.1\r\nHost: here\r\n\r\n')
  assert.equal(await other.ended(), 'reset')
  const [, seen] = await proxy.finished(2)
  assert.deepEqual([seen?.error?.code, seen?.error?.phase], ['response_idle_timeout', 'receive'])
})

for (const [what, answer, code] of [
  ['head', 'HTTP/1.1 200 OK\r\nContent-Le', 'first_byte_timeout'],
  ['body', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc', 'response_idle_timeout'],
] as const) {
  test(`a ${what} that falls silent before the request is over`, async (t) => {
    const { proxy, dial } = await chain(
      t,
      async (peer) => {
        await peer.head()
        peer.send(answer)
      },
      { flags: { 'timeouts.responseIdleMs': '300', 'timeouts.upstreamHeadMs': '300' } },
    )
    const client = await dial()
    const began = performance.now()
    client.send('POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 1000\r\n\r\nhalf')
    assert.equal((await proxy.finished(1))[0]!.error?.code, code)
    assert.ok(performance.now() - began < 1500)
  })
}

test('a response that waits for an upload under way is not silent', async (t) => {
  const { dial } = await chain(
    t,
    async (peer) => {
      await peer.head()
      peer.send('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n')
      peer.send(await peer.take(6))
    },
    { flags: { 'timeouts.responseIdleMs': '700' } },
  )
  const client = await dial()
  client.send('POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 6\r\n\r\n')
  for (const byte of 'slowly') {
    await new Promise((resolve) => setTimeout(resolve, 200))
    client.send(byte)
  }
  assert.equal((await client.message()).body, 'slowly')
})

test('silence of an upstream whose client does not read is not its fault', async (t) => {
  const size = 24 * 1024 * 1024
  const { dial } = await chain(
    t,
    async (peer) => {
      await peer.message()
      peer.send(ok('x'.repeat(size)))
    },
    { flags: { 'timeouts.responseIdleMs': '300' } },
  )
  const client = await dial()
  client.send(GET)
  await client.until('first bytes', () => client.unread.length > 0)
  client.socket.pause()
  await new Promise((resolve) => setTimeout(resolve, 800))
  client.socket.resume()
  assert.equal((await client.message()).body.length, size)
})

test('no SYN-ACK in time', { skip: process.platform !== 'linux' && 'needs the accept queue of Linux' }, async (t) => {
  // A child that is stopped does not accept: with its queue full, the kernel drops further SYNs.
  const child = spawn(process.execPath, ['-e', LISTENER], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  t.after(() => child.kill('SIGKILL'))
  const [port] = (await once(child, 'message')) as [number]
  child.kill('SIGSTOP')
  const fillers = Array.from({ length: 4 }, () => connect(port, '127.0.0.1').on('error', () => {}))
  await once(fillers[0]!, 'connect')
  const proxy = await TestProxy.start(`http://127.0.0.1:${port}`, { flags: { 'timeouts.connectMs': '300' } })
  const client = await Peer.connect(proxy.port)
  t.after(async () => {
    for (const socket of [...fillers, client.socket]) socket.destroy()
    await proxy.close()
  })
  await new Promise((resolve) => setTimeout(resolve, 100))
  client.send(GET)
  const response = await client.message()
  assert.equal(response.status, 504)
  assert.deepEqual([problem(response.body).code, problem(response.body).phase], ['connect_timeout', 'connect'])
  const [seen] = await proxy.finished(1)
  assert.ok(seen!.phases.connect! >= 290_000)
})

test('an upstream that takes no more of an upload: 504 send_timeout, and the upload ends', async (t) => {
  const { dial } = await chain(
    t,
    async (peer) => {
      peer.socket.pause()
      await new Promise((resolve) => peer.socket.once('close', resolve))
    },
    { flags: { 'timeouts.responseIdleMs': '400' } },
  )
  const client = await dial()
  const megabytes = 64
  client.send(`POST / HTTP/1.1\r\nHost: here\r\nContent-Length: ${megabytes * 1024 * 1024}\r\n\r\n`)
  client.socket.write(Buffer.alloc(16 * 1024 * 1024))
  const response = await client.message()
  assert.equal(response.status, 504)
  assert.equal(problem(response.body).code, 'send_timeout')
})
