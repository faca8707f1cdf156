/** Ids of spans are chosen by senders: those made to be one, as diagnosis keeps them, must not keep it busy. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requestOf, send } from '../aggregator/otlp-messages.ts'
import { rawSpan } from '../aggregator/raw-spans.ts'
import { running, until } from '../aggregator/running.ts'

/** Ids that differ in the bits that trace-window.ts leaves out, and in no others. */
function alike(k: number): string {
  const id = Buffer.alloc(8)
  id.writeUInt32LE(((k << 20) | ((k >> 4) << 12) | ((k & 15) << 8) | (k >> 4)) >>> 0, 0)
  id.writeUInt32LE(1, 4)
  return id.toString('hex')
}

test('a trace of spans whose ids are alike is looked at once, and the store goes on', async (t) => {
  let seen = 0
  const it = await running({
    onTraces: (traces) => {
      seen += traces.length
    },
  })
  t.after(() => it.end())
  const spans = Array.from({ length: 200 }, (_, k) =>
    rawSpan({ trace: 'ab', span: alike(k), ...(k === 0 ? {} : { parent: alike(0) }), ms: 5 }),
  )
  await send(it.grpcPort, requestOf(spans, 'shop'))
  // The tail tells of a trace later than diagnosis looks at it, from the same thread.
  await until('the trace is on the tail', () => seen === 1, 9000)
  const trace = await it.ask<{ spans: number }>(`hopscope/trace/${'ab'.padStart(32, '0')}`)
  assert.equal(trace.spans, 200)
})
