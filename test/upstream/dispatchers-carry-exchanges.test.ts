/** A Dispatcher of the user's as the upstream: what goes through it is what went in. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { Agent, type Dispatcher } from 'undici'
import { WebSocket, WebSocketServer } from 'ws'
import { createProxy } from '../../src/app/library.ts'
import { dispatcherRoute } from '../../src/upstream/dispatch-route.ts'
import { field, fields } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { delayIn } from '../support/phases.ts'
import { TestProxy } from '../support/proxy.ts'
import { dispatched } from './dispatched.ts'

const GET = 'GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n'

test('a request arrives with its target, fields and body, and its response comes back', async (t) => {
  const fieldLines = 'X-One: 1\r\nx-two: 2\r\nX-One: 3\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n'
  const { origin, proxy, dial } = await dispatched(
    t,
    await Origin.answering(({ body }) => ok(`got ${body}`, fieldLines)),
  )
  const client = await dial()
  for (const framed of [
    'Content-Length: 5\r\n\r\nhello',
    'Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n',
  ]) {
    client.send(`PUT /a%20b?c=d HTTP/1.1\r\nHost: shop.example\r\nX-B: 1\r\nx-a: 2\r\nX-B: 3\r\n${framed}`)
    const response = await client.message()
    assert.equal(response.body, 'got hello')
    assert.deepEqual(fields(response, 'x-one'), ['1', '3'])
    assert.deepEqual(fields(response, 'set-cookie'), ['a', 'b'])
    const request = origin.requests.at(-1)!
    assert.equal(request.start, 'PUT /a%20b?c=d HTTP/1.1')
    assert.deepEqual(fields(request, 'host'), ['shop.example'])
    assert.deepEqual(
      request.headers.filter(([name]) => /^x-[ab]$/i.test(name)),
      [
        ['X-B', '1'],
        ['x-a', '2'],
        ['X-B', '3'],
      ],
    )
    assert.match(field(request, 'traceparent') ?? '', /^00-/)
  }
  assert.equal(field(origin.requests[0]!, 'content-length'), '5')
  // A body that is here as a whole may get a length in place of its chunks.
  assert.equal(origin.requests[1]!.body, 'hello')
  const [first, second] = await proxy.finished(2)
  assert.deepEqual(Object.keys(first!.phases), ['queue', 'connect', 'send', 'wait', 'receive'])
  assert.deepEqual([first!.reused, second!.reused], [false, true])
  assert.equal(second!.phases.connect, undefined)
})

test('responses without a body, and one that ends with its connection', async (t) => {
  const { dial } = await dispatched(t, async (peer) => {
    const { start } = await peer.message()
    if (start.startsWith('HEAD')) peer.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n')
    else if (start.includes('/none')) peer.send('HTTP/1.1 204 No Content\r\n\r\n')
    else if (start.includes('/same')) peer.send('HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n')
    else peer.send('HTTP/1.1 200 OK\r\n\r\nto the end')
    peer.finish()
  })
  const client = await dial()
  client.send('HEAD / HTTP/1.1\r\nHost: here\r\n\r\n')
  const head = await client.message({ bodiless: true })
  assert.deepEqual([head.status, field(head, 'content-length')], [200, '9'])
  for (const [path, status] of [
    ['/none', 204],
    ['/same', 304],
  ]) {
    client.send(GET.replace('/', String(path)))
    assert.equal((await client.message()).status, status)
  }
  client.send(GET)
  assert.equal((await client.message()).body, 'to the end')
})

test('interim responses and trailers are relayed', async (t) => {
  const { dial } = await dispatched(t, async (peer) => {
    await peer.message()
    peer.send('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n')
    peer.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n1\r\nx\r\n0\r\nX-Sum: 7\r\n\r\n')
  })
  const client = await dial()
  client.send('GET / HTTP/1.1\r\nHost: here\r\nTE: trailers\r\nConnection: TE\r\n\r\n')
  const hints = await client.message()
  assert.deepEqual([hints.status, field(hints, 'link')], [103, '</a>'])
  const response = await client.message()
  assert.deepEqual([response.body, response.trailers], ['x', [['X-Sum', '7']]])
})

test('Expect: 100-continue is met once a connection takes the request', async (t) => {
  const { origin, dial } = await dispatched(t, await Origin.answering(({ body }) => ok(body)))
  const client = await dial()
  client.send('POST / HTTP/1.1\r\nHost: here\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n')
  assert.equal((await client.message()).status, 100)
  client.send('hello')
  assert.equal((await client.message()).body, 'hello')
  assert.equal(field(origin.requests[0]!, 'expect'), undefined)
})

test('an upstream that reads slowly holds the client up, and a slow client the upstream', async (t) => {
  const size = 24 * 1024 * 1024
  const { origin, dial } = await dispatched(t, async (peer) => {
    await peer.head()
    peer.socket.pause()
    await new Promise((resolve) => setTimeout(resolve, 300))
    peer.socket.resume()
    await peer.take(size)
    peer.socket.write(Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`))
    peer.socket.write(Buffer.alloc(size, 'y'))
  })
  const client = await dial()
  client.send(`POST / HTTP/1.1\r\nHost: here\r\nContent-Length: ${size}\r\n\r\n`)
  client.socket.write(Buffer.alloc(size, 'x'))
  await new Promise((resolve) => setTimeout(resolve, 200))
  assert.ok(client.socket.writableLength > size / 2, 'the client is held up')
  await client.until('first bytes', () => client.unread.length > 0)
  client.socket.pause()
  await new Promise((resolve) => setTimeout(resolve, 300))
  assert.ok(origin.connections[0]!.socket.writableLength > size / 2, 'the upstream is held up')
  client.socket.resume()
  const { body } = await client.message()
  assert.deepEqual([body.length, body.replaceAll('y', '')], [size, ''])
})

test('an answer before the end of the upload is relayed', async (t) => {
  const { dial } = await dispatched(t, async (peer) => {
    await peer.head()
    peer.send('HTTP/1.1 413 Content Too Large\r\nContent-Length: 7\r\nConnection: close\r\n\r\ntoo big')
    peer.socket.resume()
  })
  const client = await dial()
  client.send('POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 50000000\r\n\r\n')
  client.socket.write(Buffer.alloc(1024 * 1024))
  const response = await client.message()
  assert.deepEqual([response.status, response.body], [413, 'too big'])
  assert.equal(await client.ended(), 'fin')
})

for (const phase of ['wait', 'receive'] as const) {
  test(`a known delay is in ${phase}`, async (t) => {
    const { proxy, dial } = await dispatched(t, async (peer) => {
      await peer.message()
      if (phase === 'receive') peer.send('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n')
      await new Promise((resolve) => setTimeout(resolve, 200))
      peer.send(phase === 'receive' ? 'x' : ok('x'))
    })
    const client = await dial()
    client.send(GET)
    await client.message()
    delayIn((await proxy.finished(1))[0]!, phase, 200)
  })
}

test('a WebSocket goes through', async (t) => {
  const http = createServer()
  const server = new WebSocketServer({ server: http })
  server.on('connection', (socket) => socket.on('message', (data) => socket.send(`echo ${data}`)))
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const agent = new Agent()
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  const proxy = await TestProxy.start(url, { route: dispatcherRoute(agent, url) })
  t.after(async () => {
    for (const socket of server.clients) socket.terminate()
    await proxy.close()
    await agent.destroy()
    http.close()
  })
  const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/chat`)
  await once(socket, 'open')
  for (const word of ['one', 'x'.repeat(200_000)]) {
    socket.send(word)
    const [data] = await once(socket, 'message')
    assert.equal(String(data), `echo ${word}`)
  }
  socket.close()
  await once(socket, 'close')
  const [seen] = await proxy.finished(1)
  assert.deepEqual([seen?.status, seen?.error], [101, undefined])
})

test('interceptors are the business of whoever composed them', async (t) => {
  const tagged =
    (dispatch: Dispatcher['dispatch']): Dispatcher['dispatch'] =>
    (options, handler) =>
      dispatch({ ...options, headers: [...(options.headers as string[]), 'x-tag', 'mine'] }, handler)
  const { origin, dial } = await dispatched(t, await Origin.answering(() => ok('x')), {}, (agent) =>
    agent.compose(tagged),
  )
  const client = await dial()
  client.send(GET)
  await client.message()
  assert.equal(field(origin.requests[0]!, 'x-tag'), 'mine')
})

test('createProxy takes a dispatcher', async (t) => {
  const origin = await Origin.answering(() => ok('dispatched'))
  const agent = new Agent()
  const proxy = await createProxy({ upstream: `http://127.0.0.1:${origin.port}`, dispatcher: agent })
  t.after(async () => {
    await proxy.close()
    await agent.destroy()
    await origin.close()
  })
  assert.equal(await (await fetch(proxy.url)).text(), 'dispatched')
})
