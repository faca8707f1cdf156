import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { HotSegment } from '../../src/aggregator/intake/hot-segment.ts'
import { Intake } from '../../src/aggregator/intake/intake.ts'
import { Names } from '../../src/aggregator/intake/names.ts'
import { SpanStore } from '../../src/aggregator/store/span-store.ts'
import { silentLogger } from '../../src/core/log.ts'
import { requestOf } from './otlp-messages.ts'
import { rawSpan } from './raw-spans.ts'

const MIB = 1024 * 1024
const onDamaged = (_path: string, error: Error): never => {
  throw error
}
const HOUR = 3_600_000

/** A sealed segment of `spans` spans, all of one trace. */
async function segmentOf(trace: string, spans: number, sequence: number): Promise<HotSegment> {
  const sealed: HotSegment[] = []
  const intake = new Intake({
    ...{ walFolder: undefined, sync: 'never', names: new Names(), log: silentLogger, segments: 2, sealMs: 60_000 },
    ...{ storedBelow: sequence, recentIds: 4096, onSealed: (segment: HotSegment) => sealed.push(segment) },
  })
  const attributes = { noise: Array.from({ length: 20 }, () => Math.random().toString(36)).join('') }
  const list = Array.from({ length: spans }, (_, i) => rawSpan({ trace, span: (i + 1).toString(16), attributes }))
  await intake.accept([requestOf(list)])
  await intake.close()
  assert.equal(sealed.length, 1)
  return sealed[0]!
}

const files = (folder: string): string[] =>
  readdirSync(join(folder, 'spans')).filter((name) => name.endsWith('.duckdb'))

test('files turn with time, and go whole when they are older than the retention', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hopscope-test-'))
  const options = { folder, maxAgeMs: 24 * HOUR, maxBytes: 1024 * MIB, memoryBytes: 96 * MIB, onDamaged }
  let store = await SpanStore.open(options)
  for (let hour = 0; hour < 4; hour++) {
    const segment = await segmentOf(`a${hour}`, 5, hour)
    await store.store(segment.view, segment, [], 1e12 + hour * HOUR)
  }
  assert.equal(files(folder).length, 4)
  assert.deepEqual([store.counters.rows, store.storedBelow], [20, 4])
  await store.expire(1e12 + 25.5 * HOUR)
  assert.deepEqual([files(folder).length, store.counters.rows, store.counters.expiredFiles], [3, 15, 1])
  await store.expire(1e12 + 400 * HOUR)
  assert.equal(files(folder).length, 1, 'the file that is written to stays')
  await store.close()
  store = await SpanStore.open(options)
  assert.deepEqual([store.counters.rows, store.storedBelow], [5, 4])
  await store.close()
  rmSync(folder, { recursive: true, force: true })
})

test('over the size the oldest go', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hopscope-test-'))
  const store = await SpanStore.open({
    folder,
    maxAgeMs: 24 * HOUR,
    maxBytes: 2 * MIB,
    memoryBytes: 96 * MIB,
    onDamaged,
  })
  for (let hour = 0; hour < 3; hour++) {
    const segment = await segmentOf(`b${hour}`, 6000, hour)
    await store.store(segment.view, segment, [], 1e12 + hour * HOUR)
  }
  const before = files(folder)
  assert.equal(before.length, 3)
  await store.expire(1e12 + 3 * HOUR)
  const after = files(folder)
  assert.ok(after.length < 3 && after.at(-1) === before.at(-1), after.join())
  assert.ok(store.counters.bytes <= 2 * MIB || after.length === 1, `${store.counters.bytes}`)
  await store.close()
  rmSync(folder, { recursive: true, force: true })
})

test('a segment that could not be stored leaves nothing behind, and is stored at the next try', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hopscope-test-'))
  const store = await SpanStore.open({
    folder,
    maxAgeMs: 24 * HOUR,
    maxBytes: 1024 * MIB,
    memoryBytes: 96 * MIB,
    onDamaged,
  })
  const first = await segmentOf('c1', 5, 0)
  await store.store(first.view, first, [], 1e12)
  const blocks = store.files[0]!.blocks.size
  // A table that is not there: the last step before the commit fails.
  await store.engine.connection.run(`ALTER TABLE ${store.files[0]!.db}.segments RENAME TO hidden`)
  const second = await segmentOf('c2', 5, 1)
  await assert.rejects(store.store(second.view, second, [], 1e12))
  await store.engine.connection.run(`ALTER TABLE ${store.files[0]!.db}.hidden RENAME TO segments`)
  assert.equal(store.files[0]!.blocks.size, blocks)
  await store.store(second.view, second, [], 1e12)
  const [[count] = []] = await store.engine.rows(`SELECT count(*) FROM ${store.files[0]!.db}.spans`)
  assert.deepEqual([Number(count), store.storedBelow], [10, 2])
  await store.close()
  rmSync(folder, { recursive: true, force: true })
})
