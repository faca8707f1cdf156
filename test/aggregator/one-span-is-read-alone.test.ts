import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { spanAmong } from '../../src/aggregator/query/local-spans.ts'
import { toWire } from '../../src/aggregator/replicas/wire.ts'
import { readParts, type SpanParts } from '../../src/aggregator/store/span-parts.ts'
import { freePorts, replicasAt } from './fleet.ts'
import { requestOf, send } from './otlp-messages.ts'
import { rawSpan } from './raw-spans.ts'
import { type RunningAggregator, running } from './running.ts'

const trace = (digits: string): string => digits.padStart(32, '0')
const span = (digits: string): string => digits.padStart(16, '0')

async function withSpans(
  t: TestContext,
  sealMs: number,
): Promise<{ it: RunningAggregator; parts(spanId?: string): Promise<SpanParts[]> }> {
  const [port] = (await freePorts(1)) as [number]
  const it = await running({ replicas: replicasAt([port], 0), sealMs })
  t.after(() => it.end())
  // Ids whose halves are those of others: of either half alone it would be the wrong one.
  const ids = ['b1', 'b2', '1000000000000b2', '1000000000000b1']
  const spans = ids.map((one) => rawSpan({ trace: 'a1', span: one, attributes: { of: `a1 ${one}` } }))
  await send(it.grpcPort, requestOf(spans))
  await send(it.grpcPort, requestOf([rawSpan({ trace: 'a2', span: 'b2', attributes: { of: 'a2 b2' } })]))
  const parts = async (spanId?: string): Promise<SpanParts[]> => {
    const answer = await fetch(`http://127.0.0.1:${port}/replica/1/ask`, {
      method: 'POST',
      headers: { authorization: 'Bearer among-us' },
      body: toWire({ ask: 'trace', traceId: trace('a1'), spanId }),
    })
    assert.equal(answer.status, 200)
    return readParts(Buffer.from(await answer.arrayBuffer()))
  }
  return { it, parts }
}

async function isAlone({ it, parts }: Awaited<ReturnType<typeof withSpans>>): Promise<void> {
  assert.equal((await parts()).length, 4)
  const [one, ...others] = await parts(span('b2'))
  assert.ok(one!.bytes.includes('a1 b2'))
  assert.equal(others.length, 0)
  const of = async (digits: string): Promise<unknown> => {
    const path = `hopscope/trace/${trace('a1')}/span/${span(digits)}`
    return (await it.ask<{ attributes: { of: string } }>(path)).attributes.of
  }
  assert.equal(await of('b2'), 'a1 b2')
  assert.equal(await of('1000000000000B1'), 'a1 1000000000000b1')
  await it.ask(`hopscope/trace/${trace('a1')}/span/${span('b3')}`, 404)
  await it.ask(`hopscope/trace/${trace('a3')}/span/${span('b2')}`, 404)
}

test('of a trace in memory one span is read alone', async (t) => {
  await isAlone(await withSpans(t, 3_600_000))
})

test('of a trace in files one span is read alone', async (t) => {
  const given = await withSpans(t, 100)
  await given.it.stored()
  await isAlone(given)
})

test('a replica that answers with the whole trace is understood', async (t) => {
  const { parts } = await withSpans(t, 3_600_000)
  const found = await spanAmong(trace('a1'), span('b2'), await parts())
  assert.equal(found?.span.attributes.get('of'), 'a1 b2')
})
