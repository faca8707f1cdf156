import assert from 'node:assert/strict'
import { test } from 'node:test'
import { field, fields } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { chain } from '../support/proxy.ts'

test('kept byte for byte, made where there is none, echoed on every answer', async (t) => {
  const { origin, dial } = await chain(t, await Origin.answering(() => ok('x', 'X-Request-ID: of-the-upstream\r\n')))
  const client = await dial()
  for (const id of [
    '00000000-0000-0000-0000-000000000000',
    'Ünïcode \xe9 "quoted", with\tspaces',
    '1',
    'a'.repeat(900),
  ]) {
    client.send(`GET / HTTP/1.1\r\nHost: here\r\nx-REQUEST-id: ${id}\r\n\r\n`)
    const response = await client.message()
    assert.deepEqual(fields(origin.requests.at(-1)!, 'x-request-id'), [id])
    assert.deepEqual(fields(response, 'x-request-id'), [id])
    assert.ok(
      origin.requests.at(-1)!.headers.some(([name]) => name === 'x-REQUEST-id'),
      'the case of the name is kept',
    )
  }
  const made = new Set<string>()
  for (const none of ['', 'X-Request-ID: \r\n']) {
    client.send(`GET / HTTP/1.1\r\nHost: here\r\n${none}\r\n`)
    const response = await client.message()
    const id = field(response, 'x-request-id')!
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    assert.deepEqual(fields(origin.requests.at(-1)!, 'x-request-id'), [id])
    made.add(id)
  }
  assert.equal(made.size, 2)
})

test('of several that an upstream sends none is left', async (t) => {
  const theirs = 'X-Request-ID: theirs\r\nX-REQUEST-ID: again\r\n'
  const { dial } = await chain(t, await Origin.answering(() => ok('x', theirs)))
  const client = await dial()
  client.send('GET / HTTP/1.1\r\nHost: here\r\nX-Request-ID: mine\r\n\r\n')
  assert.deepEqual(fields(await client.message(), 'x-request-id'), ['mine'])
})

test('on failures too', async (t) => {
  const { dial } = await chain(t, (peer) => peer.finish())
  const client = await dial()
  client.send('GET / HTTP/1.1\r\nHost: here\r\nX-Request-ID: mine\r\n\r\n')
  const response = await client.message()
  assert.equal(response.status, 502)
  assert.equal(field(response, 'x-request-id'), 'mine')
  assert.equal(JSON.parse(response.body).request_id, 'mine')
})
