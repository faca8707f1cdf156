import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { HeaderBlock } from '../../src/core/headers.ts'
import { knownId } from '../../src/core/known-names.ts'
import type { Exchange } from '../../src/exchange/exchange.ts'
import { hopToken } from '../../src/stages/hop-token.ts'
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
  const [inner, outer] = await proxy.finished(2)
  assert.match(inner!.traceId, /^[0-9a-f]{32}$/)
  assert.equal(inner!.traceId, outer!.traceId, 'the loop is seen in the trace')
  assert.equal(JSON.parse(response.body).trace_id, inner!.traceId)
})

test('beside an app a request may come back some times, as through a gateway that passes fields on, not for ever', () => {
  const stage = hopToken()
  for (const direction of ['inbound', 'outbound'] as const) {
    const headers = new HeaderBlock()
    const exchange = { direction, request: { headers }, refusal: undefined } as unknown as Exchange
    let passes = 0
    let value = ''
    while (exchange.refusal === undefined && passes < 20) {
      headers.reset()
      const line = `Hopscope-Hop: ${value}\r\n`
      if (value !== '') {
        headers.push(0, 12, 14, line.length - 2, knownId('hopscope-hop'), true)
        headers.seal(line)
      }
      stage.onRequestHead?.(exchange)
      value = headers.get('hopscope-hop') ?? ''
      passes++
    }
    assert.equal(exchange.refusal?.code, 'loop_detected')
    assert.equal(passes, 10)
  }
})

test('tokens of others are kept, in order; too many are a loop too', async (t) => {
  const { origin, dial } = await chain(t, await Origin.answering(() => ok('x')))
  const client = await dial()
  client.send('GET / HTTP/1.1\r\nHost: here\r\nHopscope-Hop: one, two\r\n\r\n')
  assert.equal((await client.message()).status, 200)
  assert.match(field(origin.requests[0]!, 'hopscope-hop') ?? '', /^one, two, [\w-]{12}$/)
  for (const [fields, detail] of [
    [`Hopscope-Hop: ${Array(32).fill('a').join(', ')}`, 'the request came through 32 proxies'],
    ['Hopscope-Hop: a\r\nHopscope-Hop: b', 'more than one Hopscope-Hop field'],
  ] as const) {
    const again = await dial()
    again.send(`GET / HTTP/1.1\r\nHost: here\r\n${fields}\r\n\r\n`)
    const refused = await again.message()
    assert.deepEqual([refused.status, JSON.parse(refused.body).detail], [508, detail])
  }
})
