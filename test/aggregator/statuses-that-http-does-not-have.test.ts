import assert from 'node:assert/strict'
import { test } from 'node:test'
import { httpStatusOf } from '../../src/aggregator/http-status.ts'
import { requestOf, send } from './otlp-messages.ts'
import { rawSpan } from './raw-spans.ts'
import { running } from './running.ts'

const ODD = [700, 599.5, 99, -1, 0, 999_999, 65_536 + 503, 2 ** 40 + 500, 'five hundred', true]

interface Trace {
  readonly diagnosis: { readonly verdict: string }
  readonly hops: readonly { readonly http: number; readonly failed: boolean }[]
}

test('statuses from 100 to 599 are statuses', () => {
  assert.deepEqual([100, 200, 404, 599, 99, 600, 200.5, Number.NaN, -200, undefined].map(httpStatusOf), [
    ...[100, 200, 404, 599],
    ...[0, 0, 0, 0, 0, 0],
  ])
})

test('what is no status is none: not found as 5xx, not failed, not in figures, before and behind the store', async (t) => {
  const it = await running()
  t.after(() => it.end())
  const spans = ODD.map((status, i) =>
    rawSpan({
      ...{ trace: `a${i}`, span: `b${i}` },
      attributes: { 'http.response.status_code': status, 'url.path': '/x' },
    }),
  )
  const real = rawSpan({
    trace: 'aff',
    span: 'bff',
    attributes: { 'http.response.status_code': 503, 'url.path': '/x' },
  })
  await send(it.grpcPort, requestOf([...spans, real]))
  const look = async (): Promise<void> => {
    for (const asked of ['5xx', '100-599']) {
      const { traces } = await it.ask<{ traces: { traceId: string; http: number }[] }>(`hopscope/search?http=${asked}`)
      assert.deepEqual(
        traces.map(({ traceId, http }) => [traceId.slice(-3), http]),
        [['aff', 503]],
      )
    }
    for (const i of ODD.keys()) {
      const trace = await it.ask<Trace>(`hopscope/trace/${`a${i}`.padStart(32, '0')}`)
      assert.deepEqual(
        trace.hops.map(({ http, failed }) => [http, failed]),
        [[0, false]],
        String(ODD[i]),
      )
      assert.equal(trace.diagnosis.verdict, 'unknown', String(ODD[i]))
    }
  }
  await look()
  await it.stored()
  await look()
})
