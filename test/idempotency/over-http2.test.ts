import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type ClientHttp2Session, connect, createServer, type IncomingHttpHeaders } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { Origin, ok } from '../support/origin.ts'
import { eventually, TestProxy } from '../support/proxy.ts'
import { ModelStore } from './model-store.ts'
import { keyedChain } from './support.ts'

interface Reply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly trailers: IncomingHttpHeaders | undefined
}

function session(t: TestContext, port: number): ClientHttp2Session {
  const made = connect(`http://127.0.0.1:${port}`)
  made.on('error', () => {})
  t.after(() => made.destroy())
  return made
}

async function request(over: ClientHttp2Session, body: string, key = 'k'): Promise<Reply> {
  const stream = over.request({
    ':method': 'POST',
    ':path': '/pay',
    authorization: 'Bearer alice',
    'idempotency-key': key,
    te: 'trailers',
  })
  let trailers: IncomingHttpHeaders | undefined
  stream.on('trailers', (given) => {
    trailers = given
  })
  stream.end(body)
  const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders]
  let text = ''
  for await (const chunk of stream) text += String(chunk)
  return { status: Number(headers[':status']), headers, body: text, trailers }
}

test('first use, replay, wait and mismatch over streams of one connection', async (t) => {
  const origin = await Origin.answering((_request, nth) => ok(`made ${nth}`, 'X-A: b\r\n'))
  const { proxy } = await keyedChain(t, origin)
  const over = session(t, proxy.port)
  const replies = await Promise.all(Array.from({ length: 20 }, () => request(over, 'amount=1')))
  assert.ok(replies.every(({ body, status }) => status === 200 && body === 'made 0'))
  assert.equal(replies.filter(({ headers }) => headers['idempotent-replayed'] === 'true').length, 19)
  assert.equal((await request(over, 'amount=2')).status, 422)
  assert.equal((await request(over, 'amount=1')).headers['x-a'], 'b')
  const large = 'x'.repeat(300_000)
  for (let i = 0; i < 2; i++) assert.equal((await request(over, large, 'large')).body, 'made 1')
  assert.equal(origin.requests.length, 2)
})

test('a replay is handed over as its client takes it', async (t) => {
  const large = 'x'.repeat(300_000)
  const { proxy } = await keyedChain(t, await Origin.answering(() => ok(large)))
  const over = session(t, proxy.port)
  assert.equal((await request(over, 'amount=1')).body, large)
  const slow = connect(`http://127.0.0.1:${proxy.port}`, { settings: { initialWindowSize: 0 } })
  t.after(() => slow.destroy())
  await once(slow, 'localSettings')
  const replying = request(slow, 'amount=1')
  await eventually('the replay has begun', () => proxy.plane.active === 1)
  const others = Array.from({ length: 5 }, () => request(over, 'amount=1'))
  for (const { body } of await Promise.all(others)) assert.equal(body, large)
  assert.equal(proxy.plane.active, 1, 'the rest of it is not in the memory of its stream')
  slow.settings({ initialWindowSize: 1_000_000 })
  assert.equal((await replying).body, large)
})

test('a key is the same over HTTP/1 and HTTP/2', async (t) => {
  const { proxy, ask } = await keyedChain(t, await Origin.answering((_request, nth) => ok(`made ${nth}`)))
  const over = connect(`http://127.0.0.1:${proxy.port}`)
  t.after(() => over.destroy())
  const stream = over.request({
    ':method': 'POST',
    ':path': '/pay',
    ':authority': 'here',
    authorization: 'Bearer alice',
    'idempotency-key': '"k"',
  })
  stream.end('amount=1')
  let text = ''
  for await (const chunk of stream) text += String(chunk)
  assert.equal(text, 'made 0')
  assert.equal((await ask({ key: 'k' })).body, 'made 0')
})

test('a stream that is reset does not stop a request that was sent', async (t) => {
  const store = new ModelStore()
  let answer = (): void => {}
  const origin = await Origin.start(async (peer) => {
    await peer.message()
    answer = () => peer.send(ok('made'))
    origin.changed()
  })
  const { proxy } = await keyedChain(t, origin, { store })
  const over = session(t, proxy.port)
  const stream = over.request({
    ':method': 'POST',
    ':path': '/pay',
    authorization: 'Bearer alice',
    'idempotency-key': 'k',
  })
  stream.on('error', () => {})
  stream.end('amount=1')
  await eventually('the request at the origin', () => store.counts().dispatched === 1 && answer.name === 'answer')
  stream.close(8)
  await once(stream, 'close')
  const again = request(over, 'amount=1')
  await eventually('two exchanges', () => proxy.plane.active === 2)
  answer()
  assert.equal((await again).body, 'made')
  assert.equal(
    (await proxy.finished(2)).find(({ idempotency }) => idempotency === 'first')?.error?.code,
    'client_closed',
  )
})

test('an upstream that speaks HTTP/2: dispatch, trailers, and a stream that it refuses', async (t) => {
  let requests = 0
  const server = createServer((req, res) => {
    requests++
    if (requests === 1) {
      req.stream.close(7) // REFUSED_STREAM: it was not processed
      return
    }
    res.addTrailers({ 'x-sum': '1' })
    res.end(`made ${requests}`)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const store = new ModelStore()
  const proxy = await TestProxy.start(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, {
    store,
    flags: { 'upstream.protocol': 'h2' },
  })
  t.after(async () => {
    await proxy.close()
    server.close()
  })
  const over = session(t, proxy.port)
  const first = await request(over, 'amount=1')
  const again = await request(over, 'amount=1')
  assert.equal(again.status, 200)
  assert.equal(again.body, 'made 2')
  assert.equal(again.trailers?.['x-sum'], '1')
  assert.ok([200, 503].includes(first.status), 'answered by a second attempt, or refused with the key free')
  assert.deepEqual(store.counts(), { completed: 1 })
  assert.equal(requests, 2)
})

test('an end of its own behind a whole body: each client gets its own bytes, whatever the connection reads meanwhile', async (t) => {
  const server = createServer((req, res) => {
    const key = String(req.headers['idempotency-key'])
    const body = key.repeat(200)
    res.setHeader('content-length', body.length)
    // As long as the body: where its bytes were read, these are read next.
    res.addTrailers({ 'x-sum': '!'.repeat(body.length) })
    res.write(body)
    setTimeout(() => res.end(), 5 + (Number(key.slice(1)) % 7) * 3)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxy = await TestProxy.start(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, {
    store: new ModelStore(),
    flags: { 'upstream.protocol': 'h2' },
  })
  t.after(async () => {
    await proxy.close()
    server.close()
  })
  const over = session(t, proxy.port)
  const keys = Array.from({ length: 60 }, (_, i) => `k${i}`)
  assert.equal((await request(over, 'amount=1', 'k100')).body, 'k100'.repeat(200))
  for (let round = 0; round < 2; round++) {
    const replies = await Promise.all(keys.map((key) => request(over, 'amount=1', key)))
    for (const [i, key] of keys.entries()) assert.equal(replies[i]!.body, key.repeat(200))
  }
})
