import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { field, type Message } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { eventually, problem } from '../support/proxy.ts'
import { keyedChain, post } from './support.ts'

const sizes = async (): Promise<Origin> => Origin.answering(({ body }, nth) => ok(`${nth}: ${body.length}`))

for (const length of [0, 1, 65_535, 65_536, 65_537, 3_000_000]) {
  test(`a body of ${length} bytes arrives whole, and its repeat is known`, async (t) => {
    const { ask, origin } = await keyedChain(t, await sizes())
    const body = 'x'.repeat(length)
    for (let i = 0; i < 2; i++) assert.equal((await ask({ key: 'k', body })).body, `0: ${length}`)
    assert.equal(origin.requests[0]!.body.length, length)
    assert.equal((await ask({ key: 'k', body: `${body}y` })).status, 422)
    if (length > 0) assert.equal((await ask({ key: 'k', body: `${body.slice(1)}y` })).status, 422)
    assert.equal(origin.requests.length, 1)
  })
}

const chunked = (key: string, ...chunks: string[]): string =>
  `POST /pay HTTP/1.1\r\nHost: here\r\nAuthorization: a\r\nIdempotency-Key: ${key}\r\nTransfer-Encoding: chunked\r\n\r\n${chunks
    .map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`)
    .join('')}0\r\n\r\n`

test('bodies in chunks are compared by their bytes, however they are cut', async (t) => {
  const { dial, origin } = await keyedChain(t, await sizes())
  const client = await dial()
  client.send(chunked('k', 'abc', 'def'))
  assert.equal((await client.message()).body, '0: 6')
  client.send(chunked('k', 'a', 'bcdef'))
  const again = await client.message()
  assert.equal(again.body, '0: 6')
  assert.equal(field(again, 'idempotent-replayed'), 'true')
  client.send(chunked('k', 'abcdeF'))
  assert.equal((await client.message()).status, 422)
  assert.equal(origin.requests.length, 1)
})

test('a body that comes byte by byte', async (t) => {
  const { dial, origin } = await keyedChain(t, await sizes())
  for (let i = 0; i < 2; i++) {
    const client = await dial()
    for (const byte of post({ key: 'k', body: 'slow' })) {
      client.send(byte)
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.equal((await client.message()).body, '0: 4')
  }
  assert.equal(origin.requests.length, 1)
})

test('Expect: 100-continue is the upstream’s to answer the first time, and ours after', async (t) => {
  const origin = await Origin.start(async (peer) => {
    const head = await peer.head()
    peer.send('HTTP/1.1 100 Continue\r\n\r\n')
    const body = await peer.take(Number(field(head, 'content-length')))
    peer.send(ok(`got ${body}`))
  })
  const { dial } = await keyedChain(t, origin)
  const [head, body] = post({ key: 'k', headers: 'Expect: 100-continue\r\n' }).split('\r\n\r\n') as [string, string]
  for (const replayed of [undefined, 'true']) {
    const client = await dial()
    client.send(`${head}\r\n\r\n`)
    assert.equal((await client.message()).status, 100)
    client.send(body)
    const response = await client.message()
    assert.equal(response.body, 'got amount=1')
    assert.equal(field(response, 'idempotent-replayed'), replayed)
  }
  assert.equal(origin.connections.length, 1)
})

test('a body over the limit is refused: by its length at once, else when it is over', async (t) => {
  const { ask, dial, origin, proxy } = await keyedChain(t, await sizes(), {
    flags: { 'idempotency.maxBodyBytes': '1000' },
  })
  const stated = await ask({ key: 'k', body: 'x'.repeat(1001) })
  assert.equal(stated.status, 413)
  assert.equal(problem(stated.body).code, 'idempotency_body_too_large')
  assert.equal(origin.connections.length, 0)
  assert.equal((await ask({ key: 'k', body: 'x'.repeat(1000) })).status, 200)
  for (const key of ['new', 'k']) {
    const client = await dial()
    client.send(chunked(key, 'x'.repeat(600), 'x'.repeat(600)))
    assert.equal((await client.message()).status, 413, key)
  }
  assert.ok(
    (await proxy.finished(4)).every(({ idempotency }, nth) => idempotency === (nth === 1 ? 'first' : 'refused')),
  )
})

test('a large repeat is read through the proxy in little memory and not kept', async (t) => {
  const { dial, origin } = await keyedChain(t, await sizes())
  const body = Buffer.alloc(8_000_000, 'x')
  const head = post({ key: 'k', body: '' }).replace('Content-Length: 0', `Content-Length: ${body.length}`)
  for (let i = 0; i < 2; i++) {
    const client = await dial()
    client.send(head)
    client.socket.write(body)
    assert.equal((await client.message()).body, `0: ${body.length}`)
    // The answer came after the whole body: the connection goes on.
    client.send(post({}))
    assert.equal((await client.message()).status, 200)
  }
  assert.equal(origin.requests.filter(({ body: got }) => got.length > 100).length, 1)
})

/** Answers an upload once its head is here, and has not read on by then. */
async function answeredEarly(t: TestContext) {
  const origin = await Origin.start(async (peer) => {
    await peer.head()
    await peer.take(1000)
    peer.send(ok('early'))
  })
  const made = await keyedChain(t, origin)
  const upload = async (body: string, sent = body.length): Promise<Message> => {
    const client = await made.dial()
    const bytes = post({ key: 'k', body })
    client.send(bytes.slice(0, bytes.length - body.length + sent))
    return await client.message()
  }
  return { ...made, upload }
}

test('an early answer stands for what had been sent: longer repeats, read as they come', async (t) => {
  const { upload, origin } = await answeredEarly(t)
  const body = `${'a'.repeat(90_000)}${'b'.repeat(90_000)}`
  assert.equal((await upload(body, 90_000)).body, 'early')
  const again = await upload(body)
  assert.deepEqual([again.body, field(again, 'idempotent-replayed')], ['early', 'true'])
  // What had not been sent was not answered either.
  assert.equal((await upload(`${'a'.repeat(90_000)}${'c'.repeat(90_000)}`)).body, 'early')
  for (const other of [`${'a'.repeat(500)}X${body}`, `X${body}`, 'a'.repeat(80_000)]) {
    const refused = await upload(other)
    assert.equal(refused.status, 422, `${other.length}`)
    assert.equal(problem(refused.body).code, 'idempotency_key_reused')
  }
  assert.equal(origin.connections.length, 1)
})

test('an early answer stands for what had been sent: repeats that are gathered', async (t) => {
  const { upload, dial, origin } = await answeredEarly(t)
  const client = await dial()
  client.send(chunked('k', 'a'.repeat(2000)).replace('Authorization: a', 'Authorization: Bearer alice').slice(0, -5))
  assert.equal((await client.message()).body, 'early')
  for (const same of ['a'.repeat(2000), `${'a'.repeat(2000)}more`]) assert.equal((await upload(same)).body, 'early')
  for (const other of ['', 'a'.repeat(900), 'b'.repeat(2000)]) assert.equal((await upload(other)).status, 422)
  assert.equal(origin.connections.length, 1)
})

test('who waits for it with a body that has passed by already is told to ask again, and then answered', async (t) => {
  const sent = 'a'.repeat(90_000)
  const held: (() => void)[] = []
  const origin = await Origin.start(async (peer) => {
    await peer.head()
    await peer.take(1000)
    held.push(() => peer.send(ok('early')))
  })
  const { dial, proxy } = await keyedChain(t, origin)
  const head = post({ key: 'k', body: '' }).replace('Content-Length: 0', 'Content-Length: 90001')
  const [first, second] = [await dial(), await dial()]
  first.send(head + sent)
  await eventually('the first', () => held.length === 1)
  second.send(`${head}${sent}a`)
  await eventually('the second to wait', async () => {
    const { waiting } = (await proxy.plane.idempotency!.describe()) as { waiting: number }
    return waiting === 1
  })
  // All of it is read and gone.
  await eventually('its body to be read', () => second.socket.writableLength === 0)
  await sleep(50)
  held[0]!()
  assert.equal((await first.message()).body, 'early')
  const told = await second.message()
  assert.deepEqual([told.status, problem(told.body).code], [409, 'idempotency_in_flight'])
  second.send(`${head}${sent}a`)
  assert.equal((await second.message()).body, 'early')
})

test('an early answer to an upload is kept, and the connection closed', async (t) => {
  const origin = await Origin.start(async (peer) => {
    await peer.head()
    peer.send(ok('early'))
  })
  const { dial, proxy, store } = await keyedChain(t, origin)
  const client = await dial()
  client.send(post({ key: 'k', body: 'x'.repeat(500_000) }).slice(0, 200_000))
  assert.equal((await client.message()).body, 'early')
  await eventually('the finish', () => proxy.exchanges.length === 1)
  assert.deepEqual(store.counts(), { completed: 1 })
})
