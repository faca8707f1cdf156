import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Stage } from '../../src/exchange/stage.ts'
import { Origin, ok } from '../support/origin.ts'
import { chain } from '../support/proxy.ts'

const UPLOAD = 'POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n\r\nhello'

/** Does what a full socket of the upstream does; that it drains is of no interest once the request is written. */
const full: Stage = {
  name: 'full',
  role: 'observe',
  onRequestData(x) {
    x.down.pauseRequest()
    return undefined
  },
}

test('the last piece of an upload fills the upstream: the next head in two segments is read', async (t) => {
  const { dial } = await chain(t, await Origin.answering(() => ok('thanks')), {
    stages: [full],
    flags: { 'timeouts.headMs': '400' },
  })
  const client = await dial()
  client.send(UPLOAD)
  assert.equal((await client.message()).body, 'thanks')
  client.send('GET / HTTP/1.1\r\nHo')
  await sleep(100)
  client.send('st: here\r\n\r\n')
  assert.equal((await client.message()).status, 200)
})

test('the last piece of an upload fills the upstream: a client that resets is noticed', async (t) => {
  const { origin, proxy, dial } = await chain(
    t,
    async (peer) => {
      await peer.message()
    },
    { stages: [full] },
  )
  const client = await dial()
  client.send(UPLOAD)
  await origin.until('a connection', () => origin.connections.length === 1)
  await origin.connections[0]!.until('request', () => origin.connections[0]!.unread === '')
  await sleep(50)
  client.reset()
  const [seen] = await proxy.finished(1)
  assert.equal(seen?.error?.code, 'client_closed')
})
