import assert from 'node:assert/strict'
import { test } from 'node:test'
import { field } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { chain } from '../support/proxy.ts'

test('requests of one client share one connection to the upstream', async (t) => {
  const { origin, proxy, dial } = await chain(t, await Origin.answering((request) => ok(request.start)))
  const client = await dial()
  for (const path of ['/a', '/b', '/c']) {
    client.send(`GET ${path} HTTP/1.1\r\nHost: here\r\n\r\n`)
    const response = await client.message()
    assert.equal(response.body, `GET ${path} HTTP/1.1`)
    assert.equal(field(response, 'connection'), undefined)
  }
  assert.equal(origin.connections.length, 1)
  const seen = await proxy.finished(3)
  assert.deepEqual(
    seen.map(({ reused }) => reused),
    [false, true, true],
  )
  assert.equal(seen[1]?.phases.connect, undefined, 'a reused connection has no connect phase')
})

test('Connection: close of the client is its own, not the upstream’s', async (t) => {
  const { origin, dial } = await chain(t, await Origin.answering(() => ok('x')))
  for (let i = 0; i < 2; i++) {
    const client = await dial()
    client.send('GET / HTTP/1.1\r\nHost: here\r\n\r\n')
    await client.message()
    client.send('GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n')
    assert.equal(field(await client.message(), 'connection'), 'close')
    assert.equal(await client.ended(), 'fin')
  }
  assert.equal(origin.connections[0]?.ending, 'open')
  assert.ok(origin.requests.every((request) => field(request, 'connection') === undefined))
})

test('Connection: close of the upstream leaves the client connection open', async (t) => {
  const { origin, dial } = await chain(t, await Origin.answering(() => ok('x', 'Connection: close\r\n')))
  const client = await dial()
  for (let i = 0; i < 2; i++) {
    client.send('GET / HTTP/1.1\r\nHost: here\r\n\r\n')
    assert.equal((await client.message()).status, 200)
  }
  assert.equal(origin.connections.length, 2)
  assert.equal(client.ending, 'open')
})
