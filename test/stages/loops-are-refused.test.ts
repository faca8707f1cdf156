import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { field } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { chain, problem, type TestProxy } from '../support/proxy.ts'

test('a request that comes back to the proxy is answered 508 at once', async (t) => {
  let proxy: TestProxy | undefined
  const back: Socket[] = []
  // The origin is a pipe that leads back to the proxy itself.
  const made = await chain(t, (peer) => {
    const through = connect(proxy!.port, '127.0.0.1')
    back.push(through)
    peer.socket.pipe(through).pipe(peer.socket)
    through.on('error', () => peer.socket.destroy())
  })
  proxy = made.proxy
  t.after(() => {
    for (const socket of back) socket.destroy()
  })
  const client = await made.dial()
  client.send('GET / HTTP/1.1\r\nHost: here\r\n\r\n')
  const response = await client.message()
  assert.equal(response.status, 508)
  assert.equal(problem(response.body).code, 'loop_detected')
  assert.equal(back.length, 1)
})

test('tokens of others are kept, in order; too many are a loop too', async (t) => {
  const { origin, dial } = await chain(t, await Origin.answering(() => ok('x')))
  const client = await dial()
  client.send('GET / HTTP/1.1\r\nHost: here\r\nHopscope-Hop: one, two\r\n\r\n')
  assert.equal((await client.message()).status, 200)
  assert.match(field(origin.requests[0]!, 'hopscope-hop') ?? '', /^one, two, [\w-]{12}$/)
  client.send(`GET / HTTP/1.1\r\nHost: here\r\nHopscope-Hop: ${Array(32).fill('a').join(', ')}\r\n\r\n`)
  assert.equal((await client.message()).status, 508)
})
