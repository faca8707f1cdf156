import assert from 'node:assert/strict'
import { test } from 'node:test'
import { field } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { chain, eventually, problem } from '../support/proxy.ts'

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: here\r\n\r\n`
const path = (start: string): string => start.split(' ')[1] ?? ''

test('ten requests in one write, bodies among them', async (t) => {
  const { dial } = await chain(t, await Origin.answering((request) => ok(`${path(request.start)}${request.body}`)))
  const client = await dial()
  let text = ''
  for (let i = 0; i < 5; i++) {
    text += `${get(`/g${i}`)}POST /p${i} HTTP/1.1\r\nHost: here\r\nContent-Length: 3\r\n\r\n=${i}=`
  }
  client.send(text)
  for (let i = 0; i < 5; i++) {
    assert.equal((await client.message()).body, `/g${i}`)
    assert.equal((await client.message()).body, `/p${i}=${i}=`)
  }
})

test('a malformed last one is refused after the others were answered', async (t) => {
  const { origin, dial } = await chain(t, await Origin.answering((request) => ok(path(request.start))))
  const client = await dial()
  client.send(
    `${get('/1')}HEAD /2 HTTP/1.1\r\nHost: here\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n${get('/evil')}`,
  )
  assert.equal((await client.message()).body, '/1')
  assert.equal((await client.message({ bodiless: true })).status, 200)
  const refused = await client.message()
  assert.equal(refused.status, 400)
  assert.equal(problem(refused.body).code, 'bad_host')
  assert.equal(field(refused, 'connection'), 'close')
  assert.equal(await client.ended(), 'fin')
  assert.equal(origin.requests.length, 2)
})

test('the answer to a head that cannot be read is not shaped by the request before it', async (t) => {
  const { dial } = await chain(t, await Origin.answering(() => 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n'))
  const client = await dial()
  client.send('HEAD / HTTP/1.1\r\nHost: here\r\n\r\nBAD BAD BAD\r\n\r\n')
  await client.message({ bodiless: true })
  const refused = await client.message()
  assert.equal(problem(refused.body).code, 'bad_request_line')
})

test('a FIN right behind them', async (t) => {
  const { dial } = await chain(t, await Origin.answering((request) => ok(path(request.start))))
  const client = await dial()
  client.send(get('/1') + get('/2') + get('/3'))
  client.finish()
  for (const wanted of ['/1', '/2', '/3']) assert.equal((await client.message()).body, wanted)
  assert.equal(await client.ended(), 'fin')
})

test('a client that does not read its answers gets no more of them made', async (t) => {
  const { origin, dial } = await chain(t, await Origin.answering(() => ok('x'.repeat(2000))))
  const client = await dial()
  client.socket.pause()
  const total = 20_000
  client.send(get('/').repeat(total))
  let before = -1
  let calm = 0
  await eventually('standstill', () => {
    calm = origin.requests.length === before ? calm + 1 : 0
    before = origin.requests.length
    return calm > 100
  })
  // What the kernel buffers of both sockets take is not ours to bound: some megabytes.
  assert.ok(before < 8000, `${before} requests went on for a client that reads nothing`)
  client.socket.resume()
  for (let i = 0; i < total; i++) await client.message()
})
