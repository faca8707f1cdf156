import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Origin, ok } from '../support/origin.ts'
import { chain } from '../support/proxy.ts'

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: here\r\n\r\n`

test('a response that nobody asked for reaches nobody', async (t) => {
  const { origin, dial } = await chain(t, await Origin.answering(({ start }) => ok(start.split(' ')[1]!)), {
    flags: { 'upstream.reuse': 'always' },
  })
  for (const behind of ['in the same segment', 'later']) {
    const client = await dial()
    const before = origin.connections.length
    client.send(get('/first'))
    assert.equal((await client.message()).body, '/first')
    const peer = origin.connections.at(-1)!
    peer.send(ok(`poison ${behind}`))
    await peer.ended()
    client.send(get('/second'))
    assert.equal((await client.message()).body, '/second')
    assert.ok(origin.connections.length > before)
  }
})

for (const method of ['GET', 'POST']) {
  test(`a response that nobody asked for does not reach the ${method} of another client that came before it`, async (t) => {
    const { origin, dial } = await chain(t, await Origin.answering(({ start }) => ok(start.split(' ')[1]!)), {
      flags: { 'upstream.reuse': 'always' },
    })
    const [first, second] = [await dial(), await dial()]
    first.send(get('/first'))
    assert.equal((await first.message()).body, '/first')
    // All in one process: the proxy reads the request first, and the stray response in the same turn.
    second.send(`${method} /second HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n`)
    origin.connections[0]!.send(ok('poison'))
    assert.equal((await second.message()).body, '/second')
  })
}

test('bytes behind the response in one read', async (t) => {
  const { origin, dial } = await chain(t, async (peer, index) => {
    await peer.message()
    peer.send(ok(`answer ${index}`) + ok('poison'))
    await peer.ended()
  })
  const client = await dial()
  client.send(get('/'))
  assert.equal((await client.message()).body, 'answer 0')
  client.send(get('/'))
  assert.equal((await client.message()).body, 'answer 1')
  assert.equal(origin.connections.length, 2)
})

test('a FIN or RST while idle is noticed and the connection is not used', async (t) => {
  const { origin, proxy, dial } = await chain(t, await Origin.answering(() => ok('x')))
  const client = await dial()
  for (const how of ['finish', 'reset'] as const) {
    client.send(get('/'))
    await client.message()
    const peer = origin.connections.at(-1)!
    peer[how]()
    if (how === 'finish') await peer.ended()
    else await new Promise((resolve) => setTimeout(resolve, 20))
  }
  client.send(get('/'))
  assert.equal((await client.message()).status, 200)
  assert.equal(origin.connections.length, 3)
  assert.ok((await proxy.finished(3)).every(({ attempts }) => attempts === 1))
})
