/** Dumps and mapped files stay within their bounds, and each process has a mapped file of its own. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { newTraceId } from '../../src/core/ids.ts'
import { silentLogger } from '../../src/core/log.ts'
import { detailRedaction } from '../../src/telemetry/recorder/details.ts'
import { DumpFolder } from '../../src/telemetry/recorder/dump.ts'
import { isMapped, readMapped } from '../../src/telemetry/recorder/mapped-reader.ts'
import { MappedRing } from '../../src/telemetry/recorder/mapped-ring.ts'
import { RECORDER_DEFAULTS } from '../../src/telemetry/recorder/options.ts'
import { createTelemetry } from '../../src/telemetry/telemetry.ts'
import { until } from '../aggregator/running.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { connection, finishedExchange } from '../telemetry/finished-exchange.ts'

const redaction = detailRedaction(RECORDER_DEFAULTS, [])

/** The other thread makes the file first, and then its header. */
const isThere = (path: string): boolean => existsSync(path) && isMapped(readFileSync(path))

test('a dump folder has so many files and bytes, the newest, and leaves files of others alone', async () => {
  const folder = tempFolder()
  writeFileSync(join(folder, 'notes.txt'), 'mine')
  const faults: unknown[] = []
  const open = (files: number, bytes: number): DumpFolder =>
    new DumpFolder({
      ...{ folder, files, bytes, head: (traceId) => ({ traceId }), onFile: () => {} },
      onFault: (error) => faults.push(error),
    })
  const ours = (): string[] => readdirSync(folder).filter((name) => name !== 'notes.txt')
  const byCount = open(20, 1 << 20)
  const traces = Array.from({ length: 70 }, newTraceId)
  for (const traceId of traces) byCount.write(traceId, { of: traceId })
  await byCount.close()
  assert.ok(ours().length >= 15 && ours().length <= 20, `${ours().length} files`)
  assert.ok(ours().some((name) => name.startsWith(traces.at(-1)!)))
  byCount.write(traces.at(-1)!, { again: true })
  await byCount.close()
  const last = readFileSync(join(folder, ours().find((name) => name.startsWith(traces.at(-1)!))!), 'utf8')
  assert.deepEqual(last.split('\n').length, 4, 'a first line, two of records, and the end')
  const byBytes = open(1000, 40_000)
  for (const traceId of traces) byBytes.write(traceId, { text: 'x'.repeat(3000) })
  await byBytes.close()
  const total = ours().reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
  assert.ok(total > 20_000 && total <= 40_000, `${total} bytes`)
  assert.ok(existsSync(join(folder, 'notes.txt')))
  assert.deepEqual(faults, [])
})

test('processes take a file each; who comes after one that was killed moves its file aside', () => {
  const path = join(tempFolder(), 'ring')
  const options = { path, bytes: 262_144, processes: 2 }
  const first = new MappedRing(options, redaction)
  const second = new MappedRing(options, redaction)
  assert.deepEqual([first.path, second.path], [path, `${path}.2`])
  assert.throws(() => new MappedRing(options, redaction), /is another process's/)
  first.close()
  const next = new MappedRing(options, redaction)
  assert.equal(next.path, path)
  assert.ok(existsSync(`${path}.previous`))
  for (const one of [second, next]) one.close()
  assert.equal(statSync(path).mode & 0o777, 0o600)
})

test('a mapped file that went round has the newest exchanges, and their clients are still known', async (t) => {
  const path = join(tempFolder(), 'ring')
  const telemetry = createTelemetry({
    ...{ resource: {}, version: '0', logger: silentLogger },
    recorder: { file: { path, bytes: 262_144, processes: 1 } },
  })
  t.after(() => telemetry.close(1000))
  const at = connection('edge')
  const read = (): { path: string; port: number | undefined }[] =>
    readMapped(readFileSync(path)).flatMap((view) =>
      view.kind === 'exchange' ? [{ path: view.path, port: view.client?.port }] : [],
    )
  for (let i = 0; i < 4000; i++) telemetry.onFinish(finishedExchange({ connection: at, path: `/${i}` }))
  await until('the last one is there', () => isThere(path) && read()[0]?.path === '/3999')
  const views = read()
  assert.ok(views.length > 300 && views.length < 1000, `${views.length} exchanges`)
  assert.deepEqual(
    views.map((view) => view.path),
    Array.from(views, (_, i) => `/${3999 - i}`),
  )
  // Facts are written again each quarter: only of those that lay before the oldest of them is nothing known.
  const known = views.filter(({ port }) => port === at.peer.port).length
  assert.ok(known > views.length * 0.6, `${known} of ${views.length}`)
  await telemetry.close(1000)
  // Whatever became of the file since: what can be read is, or it is refused.
  const good = readFileSync(path)
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 400 }),
      fc.nat(),
      (edits, cut) => {
        const bad = Buffer.from(good)
        for (const [at, byte] of edits) bad[at] = byte
        try {
          assert.ok(readMapped(cut % 5 === 0 ? bad.subarray(0, cut % bad.length) : bad).length <= 2000)
        } catch (error) {
          assert.match(String(error), /flight recorder|another version/)
        }
      },
    ),
    { numRuns: 12 },
  )
})

test('where the file cannot be had, all else goes on', async (t) => {
  const warnings: string[] = []
  const logger = { ...silentLogger, warn: (_: object, message: string) => warnings.push(message) }
  const telemetry = createTelemetry({
    ...{ resource: {}, version: '0', logger },
    recorder: { file: { path: '/proc/none/ring', bytes: 262_144, processes: 1 } },
  })
  t.after(() => telemetry.close(1000))
  telemetry.onFinish(finishedExchange({ path: '/1' }))
  await until('it is told', () => warnings.length === 1)
  assert.equal(telemetry.recorder.read().length, 1)
  assert.equal(telemetry.counters().recorder.faults, 1)
})
