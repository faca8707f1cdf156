import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HeaderBlock } from '../../src/core/headers.ts'
import { RequestHead } from '../../src/core/message.ts'
import { type Direction, Exchange } from '../../src/exchange/exchange.ts'
import type { Downstream } from '../../src/exchange/ports.ts'
import type { Stage } from '../../src/exchange/stage.ts'
import { traceContext } from '../../src/stages/trace-context.ts'

const stage = (): Stage => traceContext({ sample: () => true, b3: 'auto', maySendTo: undefined })

/** An exchange that passed the request-id stage already. */
function exchange(direction: Direction, requestId: string): Exchange {
  const request = new RequestHead()
  Object.assign(request, { headers: HeaderBlock.from([]) })
  const info = {
    id: 1,
    direction,
    peer: { address: '127.0.0.1', port: 1 },
    local: { address: '127.0.0.1', port: 2 },
    originalDestination: undefined,
    scheme: 'http' as const,
    fd: -1,
    affinity: undefined,
    exchanges: 1,
    tcpReadUs: 0,
  }
  const x = new Exchange(info, request, {} as Downstream)
  x.requestId = requestId
  return x
}

test('a call with the request id of an inbound exchange in flight has it as parent', () => {
  const trace = stage()
  const inbound = exchange('inbound', 'id-1')
  const second = exchange('inbound', 'id-2')
  trace.onRequestHead!(inbound)
  trace.onRequestHead!(second)
  const call = exchange('outbound', 'id-1')
  trace.onRequestHead!(call)
  assert.equal(call.trace?.traceId, inbound.trace?.traceId)
  assert.equal(call.trace?.parentSpanId, inbound.trace?.spanId)
  assert.equal(call.inferredLink, undefined)
  trace.onFinish!(inbound)
  const late = exchange('outbound', 'id-1')
  trace.onRequestHead!(late)
  assert.notEqual(late.trace?.traceId, inbound.trace?.traceId, 'the inbound exchange is over')
})

test('with one inbound exchange in flight and no id, it is a guess: a link, never a parent', () => {
  const trace = stage()
  const inbound = exchange('inbound', 'id-1')
  trace.onRequestHead!(inbound)
  const call = exchange('outbound', 'made-here')
  trace.onRequestHead!(call)
  assert.equal(call.trace?.parentSpanId, '')
  assert.notEqual(call.trace?.traceId, inbound.trace?.traceId)
  assert.deepEqual(call.inferredLink, { traceId: inbound.trace?.traceId, spanId: inbound.trace?.spanId })
})

test('with none or two in flight there is no guess', () => {
  const trace = stage()
  const alone = exchange('outbound', 'x')
  trace.onRequestHead!(alone)
  assert.equal(alone.inferredLink, undefined)
  trace.onRequestHead!(exchange('inbound', 'id-1'))
  trace.onRequestHead!(exchange('inbound', 'id-2'))
  const call = exchange('outbound', 'y')
  trace.onRequestHead!(call)
  assert.equal(call.inferredLink, undefined)
})

test('two inbound exchanges with one id: the end of the first leaves the second', () => {
  const trace = stage()
  const [first, second] = [exchange('inbound', 'same'), exchange('inbound', 'same')]
  trace.onRequestHead!(first)
  trace.onRequestHead!(second)
  trace.onFinish!(first)
  const call = exchange('outbound', 'same')
  trace.onRequestHead!(call)
  assert.equal(call.trace?.parentSpanId, second.trace?.spanId)
})
