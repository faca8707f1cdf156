/** Segments that wait for their traces are in the write-ahead log: killed, nothing of what is to be kept is lost or twice. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { hashOfTrace } from '../../src/aggregator/sampling/tail-sampler.ts'
import { newTraceId } from '../../src/core/ids.ts'
import { requestOf, send } from '../aggregator/otlp-messages.ts'
import { rawSpan } from '../aggregator/raw-spans.ts'
import { until } from '../aggregator/running.ts'
import { aggregatorProcess } from '../aggregator/sending-process.ts'

const SHARE = 0.25

function isKept(traceId: string): boolean {
  const bytes = Buffer.from(traceId, 'hex')
  const words = Uint32Array.from([0, 4, 8, 12], (at) => bytes.readUInt32LE(at))
  return hashOfTrace(words, 0) < SHARE * 2 ** 32
}

test('killed while traces wait, it decides on them after the next start as it would have', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hopscope-test-'))
  const args = ['--data-dir', folder, '--aggregator-wal-sync', 'never', '--aggregator-seal-ms', '100']
  const sampling = ['--aggregator-sampling-share', String(SHARE), '--aggregator-sampling-wait-ms']
  try {
    const first = await aggregatorProcess([...args, ...sampling, '60000'])
    const traces = Array.from({ length: 96 }, (_, i) => ({ trace: newTraceId(), failed: i % 8 === 0 }))
    for (const part of [0, 1]) {
      // The failure comes with the second half, when the first one waits in a segment of its own.
      const spans = traces.flatMap(({ trace, failed }) => [
        rawSpan({ trace, span: `${part + 1}`, ...(part === 1 && { parent: '1' }), failed: failed && part === 1 }),
      ])
      await send(first.grpcPort, requestOf(spans))
      await until('it is sealed', async () => (await first.ask<{ waiting: number }>('hopscope/status')).waiting > 0)
      await new Promise((resolve) => setTimeout(resolve, 150))
    }
    const status = await first.ask<{ spans: number; waiting: number }>('hopscope/status')
    assert.deepEqual([status.spans, status.waiting], [0, 192])
    // What waits is found all the same.
    const found = await first.ask<{ spans: number }>(`hopscope/trace/${traces[1]!.trace}?attributes=false`)
    assert.equal(found.spans, 2)
    await first.kill('SIGKILL')

    const second = await aggregatorProcess([...args, ...sampling, '300'])
    await until('all is decided', async () => (await second.ask<{ waiting: number }>('hopscope/status')).waiting === 0)
    const kept = traces.filter(({ trace, failed }) => failed || isKept(trace))
    for (const { trace, failed } of traces) {
      const { spans = 0 } = await second.ask<{ spans?: number }>(`hopscope/trace/${trace}?attributes=false`)
      assert.equal(spans, failed || isKept(trace) ? 2 : 0, trace)
    }
    assert.equal((await second.ask<{ spans: number }>('hopscope/status')).spans, kept.length * 2)
    type Services = { services: { calls: number; errors: number }[] }
    const { services } = await second.ask<Services>('hopscope/services')
    const failures = traces.filter(({ failed }) => failed).length
    assert.equal(services[0]!.errors, failures)
    assert.equal(services[0]!.calls, (failures + (kept.length - failures) / SHARE) * 2)

    // A late span follows its trace; a clean end stores what waits.
    const [gone] = traces.filter(({ trace, failed }) => !failed && !isKept(trace))
    const late = [gone!.trace, traces[0]!.trace].map((trace) => rawSpan({ trace, span: '9', parent: '1' }))
    await send(second.grpcPort, requestOf(late))
    await second.kill('SIGTERM')
    const third = await aggregatorProcess([...args, ...sampling, '300'])
    const spansOf = async (trace: string): Promise<number | undefined> =>
      (await third.ask<{ spans?: number }>(`hopscope/trace/${trace}?attributes=false`)).spans
    assert.equal(await spansOf(traces[0]!.trace), 3)
    assert.equal(await spansOf(gone!.trace), undefined)
    await third.kill('SIGTERM')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
