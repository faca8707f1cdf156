import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as h2 from '../../src/http/message/http2/frames.ts'
import { echo, toHttp2 } from './frame-origin.ts'

test('the last id of a client can be used; there is none behind it', async (t) => {
  const { dial } = await toHttp2(t, echo)
  const client = await dial()
  client.send(client.get(h2.MAX_31))
  assert.equal((await client.whole(h2.MAX_31)).body, 'GET / ')
  await client.roundTrip()
  client.send(client.get(h2.MAX_31 - 2))
  assert.notEqual(await client.ended(), 'open')
})
