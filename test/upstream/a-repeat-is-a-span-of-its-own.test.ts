/** What is sent again is sent in the name of its own CLIENT span (OpenTelemetry HTTP conventions, "HTTP request retries"). */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { AttemptRecord, TraceContext } from '../../src/exchange/exchange.ts'
import { CONTINUE, type Stage } from '../../src/exchange/stage.ts'
import { field, fields, type Message } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { type Chain, chain, type ProxyOptions } from '../support/proxy.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const CALLER = 'b7ad6b7169203331'
const request = (fields: string): string => `GET /orders HTTP/1.1\r\nHost: shop.example\r\n${fields}\r\n`

interface Seen extends Chain {
  /** Requests as the origin got them. */
  readonly requests: Message[]
  readonly finished: { trace: TraceContext; log: AttemptRecord[] | undefined }[]
}

/** The origin closes the first connection upon its second request, so that this one is sent again. */
async function repeating(t: TestContext, options: ProxyOptions = {}): Promise<Seen> {
  const requests: Message[] = []
  const finished: Seen['finished'] = []
  const last: Stage = {
    name: 'last',
    role: 'observe',
    onFinish(x) {
      finished.push({ trace: { ...x.trace! }, log: x.attemptLog })
      return undefined
    },
  }
  const made = await chain(
    t,
    async (peer, index) => {
      for (let i = 0; ; i++) {
        requests.push(await peer.message())
        if (index === 0 && i === 1) {
          peer.finish()
          return
        }
        peer.send(ok('fine'))
      }
    },
    { ...options, stages: [...(options.stages ?? []), last] },
  )
  return { ...made, requests, finished }
}

async function sentTwice(seen: Seen, fields: string): Promise<void> {
  const client = await seen.dial()
  for (const _ of [1, 2]) {
    client.send(request(fields))
    assert.equal((await client.message()).status, 200)
  }
  await seen.proxy.finished(2)
  assert.equal(seen.requests.length, 3)
}

test('the upstream is called by the span of the attempt that reaches it', async (t) => {
  const seen = await repeating(t)
  await sentTwice(seen, `traceparent: 00-${TRACE}-${CALLER}-01\r\ntracestate: a=b\r\n`)
  const [once, retried] = seen.finished
  const sent = seen.requests.map((message) => field(message, 'traceparent'))
  assert.equal(once!.log, undefined)
  assert.equal(sent[0], `00-${TRACE}-${once!.trace.spanId}-01`)
  assert.equal(sent[1], `00-${TRACE}-${retried!.trace.spanId}-01`)
  assert.equal(sent[2], `00-${TRACE}-${retried!.log![1]!.spanId}-01`)
  assert.equal(new Set(sent).size, 3)
  assert.equal(field(seen.requests[2]!, 'tracestate'), 'a=b')
})

test('so it is where the trace begins here', async (t) => {
  const seen = await repeating(t)
  await sentTwice(seen, '')
  const { trace, log } = seen.finished[1]!
  assert.deepEqual(fields(seen.requests[2]!, 'traceparent'), [`00-${trace.traceId}-${log![1]!.spanId}-03`])
})

test('B3 says the same', async (t) => {
  const seen = await repeating(t)
  await sentTwice(seen, `b3: ${TRACE}-${CALLER}-d\r\nX-B3-TraceId: ${TRACE}\r\nX-B3-SpanId: ${CALLER}\r\n`)
  const { trace, log } = seen.finished[1]!
  const { spanId } = log![1]!
  assert.equal(field(seen.requests[1]!, 'b3'), `${TRACE}-${trace.spanId}-d-${CALLER}`)
  assert.equal(field(seen.requests[2]!, 'b3'), `${TRACE}-${spanId}-d-${trace.spanId}`)
  assert.equal(field(seen.requests[2]!, 'X-B3-SpanId'), spanId)
  assert.deepEqual(fields(seen.requests[2]!, 'X-B3-ParentSpanId'), [trace.spanId])
  assert.equal(field(seen.requests[2]!, 'X-B3-Flags'), '1')
})

test('what may not leave does not with the second attempt', async (t) => {
  const seen = await repeating(t, { flags: { 'trace.propagateTo': 'elsewhere.example' } })
  await sentTwice(seen, `traceparent: 00-${TRACE}-${CALLER}-01\r\n`)
  for (const message of seen.requests) assert.equal(field(message, 'traceparent'), undefined)
})

test('what a stage put in its place stays', async (t) => {
  const own = `00-${TRACE}-${CALLER}-00`
  const stage: Stage = {
    name: 'own',
    role: 'decide',
    onRequestHead(x) {
      x.request.headers.set('traceparent', own)
      return CONTINUE
    },
  }
  const seen = await repeating(t, { stages: [stage] })
  await sentTwice(seen, '')
  for (const message of seen.requests) assert.equal(field(message, 'traceparent'), own)
})

test('each attempt knows where it went', async (t) => {
  const seen = await repeating(t)
  await sentTwice(seen, '')
  const { port } = seen.origin
  for (const { target, peer } of seen.finished[1]!.log!) {
    assert.deepEqual(target, { scheme: 'http', host: '127.0.0.1', port })
    assert.deepEqual(peer, { address: '127.0.0.1', port })
  }
})

test('an attempt that reached nobody has no peer, and its exchange none of the attempt before', async (t) => {
  const free = await Origin.start(() => {})
  const { port: nobody } = free
  await free.close()
  const seen: Seen = await repeating(t, {
    destinationOf: () => ({
      host: '127.0.0.1',
      tls: false,
      port: seen.requests.length < 2 ? seen.origin.port : nobody,
    }),
  })
  const client = await seen.dial()
  client.send(request(''))
  await client.message()
  client.send(request(''))
  assert.equal((await client.message()).status, 502)
  const [, finished] = await seen.proxy.finished(2)
  assert.equal(finished!.reused, false)
  const [first, second] = seen.finished[1]!.log!
  assert.equal(first!.peer?.port, seen.origin.port)
  assert.equal(second!.error?.code, 'connection_refused')
  assert.deepEqual([second!.target?.port, second!.peer], [nobody, undefined])
})
