import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { requestOf, send } from './otlp-messages.ts'
import { rawSpan } from './raw-spans.ts'
import { until } from './running.ts'
import { type AggregatorProcess, aggregatorProcess } from './sending-process.ts'

const SPANS = 40

/** Ids of the traces whose request was acknowledged, from four senders until the process is gone. */
async function sendUntilDeath(process: AggregatorProcess, round: number, killAfter: number): Promise<string[]> {
  const acknowledged: string[] = []
  let next = 0
  const sender = async (): Promise<void> => {
    for (;;) {
      const trace = `${round}f${(next++).toString(16).padStart(6, '0')}`
      const spans = Array.from({ length: SPANS }, (_, i) => rawSpan({ trace, span: (i + 1).toString(16), startMs: i }))
      try {
        await send(process.grpcPort, requestOf(spans))
      } catch {
        return
      }
      acknowledged.push(trace)
      if (acknowledged.length === killAfter) void process.kill('SIGKILL')
    }
  }
  await Promise.all([sender(), sender(), sender(), sender()])
  // Its connections end a little before it does.
  await process.kill('SIGKILL')
  return acknowledged
}

async function stored(process: AggregatorProcess): Promise<{ spans: number; waiting: number }> {
  return process.ask('hopscope/status')
}

test('killed at any moment under load, it has every acknowledged span after the next start, each once', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hopscope-test-'))
  const args = ['--data-dir', folder, '--aggregator-wal-sync', 'never', '--aggregator-seal-ms', '60']
  try {
    const all: string[] = []
    for (const [round, killAfter] of [3, 41, 90].entries()) {
      const process = await aggregatorProcess(args)
      all.push(...(await sendUntilDeath(process, round + 1, killAfter)))
    }
    // A frame that was being written when the power went.
    const [last] = readdirSync(join(folder, 'wal')).sort().reverse()
    if (last !== undefined)
      appendFileSync(join(folder, 'wal', last), Buffer.from([200, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]))
    const process = await aggregatorProcess(args)
    await until('recovered spans are stored', async () => (await stored(process)).waiting === 0)
    for (const trace of all) {
      const { spans } = await process.ask<{ spans: number }>(
        `hopscope/trace/${trace.padStart(32, '0')}?attributes=false`,
      )
      assert.equal(spans, SPANS, trace)
    }
    const { spans } = await stored(process)
    // What was written and not acknowledged any more may be there as well, but nothing twice.
    assert.ok(spans >= all.length * SPANS && spans <= (all.length + 12) * SPANS, `${spans} of ${all.length * SPANS}`)
    assert.equal(spans % SPANS, 0)
    assert.deepEqual(readdirSync(join(folder, 'wal')), [])
    assert.equal(await process.kill('SIGTERM'), 0)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('a port that is in use ends it with the reason, and leaves the folder free', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hopscope-test-'))
  const taken = await aggregatorProcess(['--data-dir', join(folder, 'a')])
  const same = ['--data-dir', join(folder, 'b'), '--ui', `127.0.0.1:${taken.uiPort}`]
  await assert.rejects(aggregatorProcess(same), /EADDRINUSE/)
  const other = await aggregatorProcess(['--data-dir', join(folder, 'b')])
  assert.equal(await other.kill('SIGTERM'), 0)
  assert.equal(await taken.kill('SIGTERM'), 0)
  rmSync(folder, { recursive: true, force: true })
})

test('a second process on the same folder is refused', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hopscope-test-'))
  const process = await aggregatorProcess(['--data-dir', folder])
  await assert.rejects(aggregatorProcess(['--data-dir', folder]), new RegExp(`in use by process ${process.child.pid}`))
  assert.equal(await process.kill('SIGTERM'), 0)
  rmSync(folder, { recursive: true, force: true })
})
