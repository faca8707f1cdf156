import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Peer } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { chain, eventually } from '../support/proxy.ts'

const GET = 'GET / HTTP/1.1\r\nHost: here\r\n\r\n'

test('a connection over the limit is reset; when one has left, the next is served', async (t) => {
  const origin = await Origin.answering(() => ok('x'))
  const { proxy, dial } = await chain(t, origin, { flags: { 'limits.connections': '2' } })
  const [first, second] = [await dial(), await dial()]
  for (const client of [first, second]) {
    client.send(GET)
    assert.equal((await client.message()).status, 200)
  }
  const third = await Peer.connect(proxy.port).then(
    (peer) => peer.ended(),
    ({ code }) => code,
  )
  assert.match(third, /^(reset|ECONNRESET)$/)
  first.finish()
  await first.ended()
  await eventually('a place', async () => {
    const next = await Peer.connect(proxy.port).catch(() => undefined)
    t.after(() => next?.socket.destroy())
    next?.send(GET)
    return (await next?.message().catch(() => undefined))?.status === 200
  })
  second.send(GET)
  assert.equal((await second.message()).status, 200)
})
