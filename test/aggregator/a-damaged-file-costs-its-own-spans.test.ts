import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { tempFolder } from '../support/temp-folder.ts'
import { requestOf, send } from './otlp-messages.ts'
import { rawSpan } from './raw-spans.ts'
import { until } from './running.ts'
import { type AggregatorProcess, aggregatorProcess } from './sending-process.ts'

const SPANS = 200
const TRACES = 6
const idOf = (number: number): string => (0xa000 + number).toString(16).padStart(32, '0')
const base = mkdtempSync(join(tmpdir(), 'hopscope-test-'))
const argsOf = (folder: string): string[] => ['--data-dir', folder, '--aggregator-seal-ms', '60']

const isStored = (it: AggregatorProcess) => async (): Promise<boolean> =>
  (await it.ask<{ waiting: number }>('hopscope/status')).waiting === 0

function loggedBytes(): number {
  const wal = join(base, 'wal')
  return readdirSync(wal).reduce(
    (sum, name) => sum + (statSync(join(wal, name), { throwIfNoEntry: false })?.size ?? 0),
    0,
  )
}

/** A block for each trace, and a process that was killed: the database has a log of its own. */
before(async () => {
  const it = await aggregatorProcess(argsOf(base))
  for (let number = 0; number < TRACES; number++) {
    const spans = Array.from({ length: SPANS }, (_, i) =>
      rawSpan({ trace: idOf(number), span: (i + 1).toString(16), attributes: { 'shop.number': i } }),
    )
    await send(it.grpcPort, requestOf(spans))
    await until('it is stored', isStored(it))
  }
  // Or it would come to life again from there.
  await until('the log of intake has nothing more of it', () => loggedBytes() === 0)
  await it.kill('SIGKILL')
})
after(() => rmSync(base, { recursive: true }))

function flip(path: string, at: number): void {
  const bytes = readFileSync(path)
  for (let i = 0; i < 4; i++) bytes[Math.floor(bytes.length * at) + i]! ^= 0x55
  writeFileSync(path, bytes)
}

const HARMS: readonly (readonly [string, RegExp, (path: string) => void, { readonly left: number }])[] = [
  ['the database is cut off', /\.duckdb$/, (path) => truncateSync(path, 5000), { left: 0 }],
  ['the database is empty', /\.duckdb$/, (path) => truncateSync(path, 0), { left: 0 }],
  ['its head is another', /\.duckdb$/, (path) => flip(path, 0), { left: 0 }],
  ['bits of its log are turned', /\.duckdb\.wal$/, (path) => flip(path, 0.5), { left: 0 }],
  ['bits of a block are turned', /\.blocks$/, (path) => flip(path, 0.01), { left: TRACES - 1 }],
  ['the blocks are cut off', /\.blocks$/, (path) => truncateSync(path, 0), { left: 0 }],
]

for (const [what, file, harm, { left }] of HARMS) {
  test(`${what}: it starts, says so, gives what is left, and takes new spans`, async (t) => {
    const folder = tempFolder()
    cpSync(base, folder, { recursive: true })
    const spans = join(folder, 'spans')
    harm(join(spans, readdirSync(spans).find((name) => file.test(name))!))
    const it = await aggregatorProcess(argsOf(folder))
    t.after(() => it.kill('SIGKILL'))
    const fresh = 'c0de'.padStart(32, '0')
    await send(it.grpcPort, requestOf([rawSpan({ trace: fresh, span: '1', attributes: { 'shop.number': 7 } })]))
    await until('it is stored', isStored(it))
    const whole: number[] = []
    for (let number = 0; number < TRACES; number++) {
      const { hops = [] } = await it.ask<{ hops?: unknown[] }>(`hopscope/trace/${idOf(number)}`)
      if (hops.length === SPANS) whole.push(number)
    }
    assert.equal(whole.length, left)
    const found = await it.ask<{ traces: { traceId: string }[] }>('hopscope/search?attribute=shop.number=7')
    assert.deepEqual(found.traces.map(({ traceId }) => traceId).sort(), [...whole.map(idOf), fresh].sort())
    assert.match(it.log(), /the file is damaged/)
    const aside = readdirSync(spans).filter((name) => name.endsWith('.damaged'))
    assert.equal(aside.length > 0, !file.test('x.blocks'), 'what cannot be opened is kept')
    assert.equal(await it.kill('SIGTERM'), 0)
  })
}
