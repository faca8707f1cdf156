import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assemble } from '../../src/aggregator/assembly/assemble.ts'
import { diagnose } from '../../src/aggregator/diagnosis/trace-diagnosis.ts'
import { atOnce, inPortions, jsonWith, type Steps } from '../../src/aggregator/portions.ts'
import { distinctSpans } from '../../src/aggregator/query/local-spans.ts'
import type { SpanParts } from '../../src/aggregator/store/span-parts.ts'
import { nowUs } from '../../src/core/clock.ts'
import { made } from './made-spans.ts'
import { encoded, id, requestOf, TRACE } from './otlp-messages.ts'

const SPANS = 20_000
const servedBy = (): undefined => undefined

/** What it gives, and how often it may be left on its way. */
function counted<T>(steps: Steps<T>): { readonly value: T; readonly rests: number } {
  for (let rests = 0; ; rests++) {
    const { done, value } = steps.next()
    if (done === true) return { value, rests }
  }
}

test('assembly and diagnosis of a large trace can be left hundreds of times', () => {
  const spans = Array.from({ length: SPANS }, (_, i) => {
    const parentSpanId = i === 0 ? '' : ((i - 1) >> 2).toString(16).padStart(16, '0')
    return made({ spanId: i.toString(16).padStart(16, '0'), parentSpanId, startMs: i, failed: i % 7 === 0 })
  })
  const stored = spans.map((span) => ({ span, receivedMs: 1000 }))
  const assembled = counted(assemble(stored, { traceId: TRACE, nowMs: 100_000, learnt: [], servedBy }))
  assert.equal(assembled.value.hops.length, SPANS)
  assert.ok(assembled.rests > (2 * SPANS) / 300, `${assembled.rests}`)
  const byId = new Map(spans.map((span) => [span.spanId, span]))
  const diagnosed = counted(diagnose(assembled.value, { spanOf: (spanId) => byId.get(spanId), servedBy }))
  assert.equal(diagnosed.value.verdict, 'failed')
  assert.ok(diagnosed.rests > (3 * SPANS) / 300, `${diagnosed.rests}`)
  const json = counted(jsonWith({ a: 1, diagnosis: diagnosed.value }, 'hops', assembled.value.hops))
  assert.deepEqual(
    JSON.parse(json.value),
    JSON.parse(JSON.stringify({ a: 1, diagnosis: diagnosed.value, hops: assembled.value.hops })),
  )
  assert.ok(json.rests > SPANS / 300)
})

test('others have their turn while long work goes on, and it ends all the same', async () => {
  let turns = 0
  let over = false
  const count = (): void => {
    turns++
    if (!over) setImmediate(count)
  }
  setImmediate(count)
  const work = function* (): Steps<string> {
    for (let i = 0; i < 5; i++) {
      const untilUs = nowUs() + 30_000
      while (nowUs() < untilUs);
      yield
    }
    return 'done'
  }
  assert.equal(await inPortions(work()), 'done')
  over = true
  assert.ok(turns >= 4, `${turns}`)
})

test('an empty object and an empty list are JSON too', () => {
  assert.equal(atOnce(jsonWith({}, 'hops', [])), '{"hops":[]}')
  assert.equal(atOnce(jsonWith({ b: undefined }, 'hops', [1])), '{"hops":[1]}')
})

/** A span as the store has it: the parts of a request of one span. */
function parts(service: string, spanId: string): SpanParts {
  const request = requestOf([{ trace_id: id(TRACE), span_id: id(spanId), name: spanId }], service)
  const without = encoded({
    resource_spans: [{ resource: { attributes: [{ key: 'service.name', value: { string_value: service } }] } }],
  })
  // ResourceSpans has its key and length before the resource's own.
  const resource = without.subarray(4)
  const span = encoded({
    resource_spans: [{ scope_spans: [{ spans: [{ trace_id: id(TRACE), span_id: id(spanId), name: spanId }] }] }],
  })
  assert.ok(request.includes(resource))
  return {
    receivedMs: 1,
    bytes: Buffer.concat([resource, span.subarray(6)]),
    resourceLength: resource.length,
    scopeLength: 0,
  }
}

test('spans of one resource share it; those of another have their own', () => {
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((digit) => digit.repeat(16)) as [string, string, string, string]
  const list = [parts('web', a), parts('web', b), parts('bew', c), parts('web', d)]
  const spans = atOnce(distinctSpans(TRACE, list)).map(({ span }) => span)
  assert.deepEqual(
    spans.map(({ spanId, name, resource }) => [spanId, name, resource.get('service.name')]),
    [
      [a, a, 'web'],
      [b, b, 'web'],
      [c, c, 'bew'],
      [d, d, 'web'],
    ],
  )
  assert.equal(spans[0]!.resource, spans[1]!.resource)
  assert.notEqual(spans[1]!.resource, spans[2]!.resource)
})
