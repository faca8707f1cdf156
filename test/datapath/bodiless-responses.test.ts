import assert from 'node:assert/strict'
import { test } from 'node:test'
import { field } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { chain } from '../support/proxy.ts'

const ANSWERS: Record<string, string> = {
  '/head-length': 'HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n',
  '/head-chunked': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
  '/head-plain': 'HTTP/1.1 200 OK\r\n\r\n',
  '/204': 'HTTP/1.1 204 No Content\r\n\r\n',
  '/304': 'HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\nETag: "a"\r\n\r\n',
}

test('HEAD, 204 and 304 have no body, keep their Content-Length, and the connection goes on', async (t) => {
  const { origin, dial } = await chain(
    t,
    await Origin.answering(({ start }) => ANSWERS[start.split(' ')[1]!] ?? ok('next')),
  )
  const client = await dial()
  const ask = async (method: string, path: string): Promise<string | undefined> => {
    client.send(`${method} ${path} HTTP/1.1\r\nHost: here\r\n\r\nGET /next HTTP/1.1\r\nHost: here\r\n\r\n`)
    const response = await client.message({ bodiless: true })
    assert.equal((await client.message()).body, 'next', `after ${method} ${path}`)
    assert.equal(field(response, 'transfer-encoding'), undefined, path)
    return field(response, 'content-length')
  }
  assert.equal(await ask('HEAD', '/head-length'), '1234')
  assert.equal(await ask('HEAD', '/head-chunked'), undefined)
  assert.equal(await ask('HEAD', '/head-plain'), undefined)
  assert.equal(await ask('GET', '/204'), undefined)
  assert.equal(await ask('GET', '/304'), '77')
  assert.equal(origin.connections.length, 1)
})

test('a failure answered to HEAD has a length and no body', async (t) => {
  const { dial } = await chain(t, (peer) => peer.reset())
  const client = await dial()
  client.send('HEAD / HTTP/1.1\r\nHost: here\r\n\r\n')
  const response = await client.message({ bodiless: true })
  assert.equal(response.status, 502)
  assert.ok(Number(field(response, 'content-length')) > 50)
  client.send('BAD\r\n\r\n')
  assert.equal((await client.message()).status, 400)
})

test('a HEAD that is refused in its fields or behind its method is answered without a body', async (t) => {
  const { proxy, dial } = await chain(t, () => {})
  for (const [text, status, method] of [
    ['HEAD / HTTP/1.1\r\nHost: here\r\nBad Name: x\r\n\r\n', 400, 'HEAD'],
    ['HEAD / x HTTP/1.1\r\nHost: here\r\n\r\n', 400, 'HEAD'],
    [`HEAD / HTTP/1.1\r\nHost: here\r\nX: ${'y'.repeat(100_000)}\r\n\r\n`, 431, 'HEAD'],
    ['GET / HTTP/1.1\r\nHost: here\r\nBad Name: x\r\n\r\n', 400, 'GET'],
    ['H@AD / HTTP/1.1\r\nHost: here\r\n\r\n', 400, ''],
  ] as const) {
    const client = await dial()
    client.send(text)
    const { status: seen, headers } = await client.message({ bodiless: method === 'HEAD' })
    assert.equal(seen, status)
    assert.ok(headers.length > 0)
    await client.ended()
    assert.equal(client.unread, '', text.slice(0, 40))
    assert.equal(proxy.exchanges.at(-1)?.method, method)
  }
})
