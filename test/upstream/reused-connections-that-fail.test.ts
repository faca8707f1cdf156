import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Peer } from '../support/client.ts'
import { ok } from '../support/origin.ts'
import { shown } from '../support/phases.ts'
import { chain, problem } from '../support/proxy.ts'

const get = 'GET / HTTP/1.1\r\nHost: here\r\n\r\n'

/** The first connection serves one request, takes a second and closes without a word; others serve for ever. */
async function failsOnSecond(peer: Peer, index: number): Promise<void> {
  for (let i = 0; ; i++) {
    const request = await peer.message()
    if (index === 0 && i === 1) {
      peer.finish()
      return
    }
    peer.send(ok(`${index}:${request.body}`))
  }
}

test('GET is sent again, once, on a fresh connection', async (t) => {
  const { origin, proxy, dial } = await chain(t, failsOnSecond)
  const client = await dial()
  client.send(get)
  assert.equal((await client.message()).body, '0:')
  client.send(get)
  assert.equal((await client.message()).body, '1:')
  assert.equal(origin.connections.length, 2)
  const [, seen] = await proxy.finished(2)
  assert.equal(seen?.attempts, 2)
  assert.equal(seen?.reused, false)
})

test('PUT with a small body is sent again with its body', async (t) => {
  const { proxy, dial } = await chain(t, failsOnSecond)
  const client = await dial()
  client.send(get)
  await client.message()
  client.send('PUT / HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\n\r\nbody')
  assert.equal((await client.message()).body, '1:body')
  assert.equal((await proxy.finished(2))[1]?.attempts, 2)
})

test('POST with a body sent is not', async (t) => {
  const { origin, proxy, dial } = await chain(t, failsOnSecond)
  const client = await dial()
  client.send(get)
  await client.message()
  client.send('POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\n\r\nbody')
  const response = await client.message()
  assert.equal(response.status, 502)
  const { code, connection } = problem(response.body)
  assert.equal(code, 'upstream_reset')
  assert.equal(connection?.reused, true)
  assert.equal(origin.connections.length, 1)
  assert.equal((await proxy.finished(2))[1]?.attempts, 1)
})

test('a second failure is an answer, not a loop', async (t) => {
  const { origin, dial } = await chain(t, async (peer, index) => {
    await peer.message()
    if (index === 0) {
      peer.send(ok('first'))
      await peer.message()
    }
    peer.finish()
  })
  const client = await dial()
  client.send(get)
  await client.message()
  client.send(get)
  assert.equal((await client.message()).status, 502)
  assert.equal(origin.connections.length, 2)
})

test('an interim response counts as an answer', async (t) => {
  const { origin, dial } = await chain(t, async (peer) => {
    await peer.message()
    peer.send(ok('first'))
    await peer.message()
    peer.send('HTTP/1.1 103 Early Hints\r\n\r\n')
    peer.finish()
  })
  const client = await dial()
  client.send(get)
  await client.message()
  client.send(get)
  assert.equal((await client.message()).status, 103)
  const response = await client.message()
  assert.equal(response.status, 502)
  assert.equal(problem(response.body).code, 'upstream_aborted')
  assert.equal(origin.connections.length, 1)
})

test('POST finds the connection dead when the FIN came in the turn before', async (t) => {
  const { origin, dial } = await chain(t, async (peer, index) => {
    for (;;) {
      const { start } = await peer.message()
      peer.send(ok(`${index}:${start.split(' ')[0]}`))
    }
  })
  for (let round = 0; round < 8; round++) {
    const client = await dial()
    client.send(get)
    await client.message()
    // Same process, same turn: the FIN and the request are both in the kernel before the proxy looks.
    const open = origin.connections.filter(({ ending }) => ending === 'open')
    for (const peer of open) peer.finish()
    client.send('POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\n\r\nbody')
    const response = await client.message()
    assert.equal(response.status, 200, response.body)
    client.finish()
  }
})

test('a replay has the trailers of the request', async (t) => {
  const trailers: unknown[] = []
  const { dial } = await chain(t, async (peer, index) => {
    for (let i = 0; ; i++) {
      const request = await peer.message()
      if (index % 2 === 0 && i === 1) {
        peer.finish()
        return
      }
      if (request.start.startsWith('PUT')) trailers.push([request.body, request.trailers])
      peer.send(ok('x'))
    }
  })
  for (const body of ['4\r\nbody\r\n', '']) {
    const client = await dial()
    client.send(get)
    await client.message()
    client.send(`PUT / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n${body}0\r\nX-Sum: 7\r\n\r\n`)
    assert.equal((await client.message()).status, 200)
    client.finish()
  }
  assert.deepEqual(trailers, [
    ['body', [['X-Sum', '7']]],
    ['', [['X-Sum', '7']]],
  ])
})

test('the phases of a repeated call are those of its last attempt', async (t) => {
  const { proxy, dial } = await chain(t, async (peer, index) => {
    await peer.message()
    if (index === 0) {
      peer.send(ok('first'))
      await peer.message()
      await new Promise((resolve) => setTimeout(resolve, 200))
      peer.finish()
      return
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
    peer.send(ok('again'))
  })
  const client = await dial()
  for (const wanted of ['first', 'again']) {
    client.send(get)
    assert.equal((await client.message()).body, wanted)
  }
  const ms = shown((await proxy.finished(2))[1]!)
  assert.ok(ms.queue! < 60, JSON.stringify(ms))
  assert.ok(ms.wait! >= 95 && ms.wait! < 190, JSON.stringify(ms))
  // Not the proxy's own time: the span says so.
  assert.ok(ms.own! >= 195 && ms.own! < 290, JSON.stringify(ms))
})
