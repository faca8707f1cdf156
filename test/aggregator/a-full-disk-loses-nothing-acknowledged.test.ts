import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { requestOf, send } from './otlp-messages.ts'
import { rawSpan } from './raw-spans.ts'
import { until } from './running.ts'
import { type AggregatorProcess, aggregatorProcess } from './sending-process.ts'

const SERVICES = 60

/** A request of many long names, so that their file grows by several pages. */
function request(number: number): { readonly bytes: Buffer; readonly services: readonly string[] } {
  const services = Array.from({ length: SERVICES }, (_, i) => `s-${number}-${i}-${'n'.repeat(150)}`)
  const trace = (0xabc0 + number).toString(16)
  const bytes = Buffer.concat(
    services.map((service, i) => requestOf([rawSpan({ trace, span: (i + 1).toString(16) })], service)),
  )
  return { bytes, services }
}

function fill(disk: string, leave: number): void {
  const { bavail, bsize } = statfsSync(disk)
  appendFileSync(join(disk, 'filler'), Buffer.alloc(Math.max(0, bavail * bsize - leave)))
}

const isStored = async (it: AggregatorProcess): Promise<boolean> =>
  (await it.ask<{ waiting: number }>('hopscope/status')).waiting === 0

test('a disk that is full by any few pages: refused or kept, under the right names, over restarts', {
  skip: process.getuid?.() === 0 ? false : 'needs root to mount',
  timeout: 120_000,
}, async (t) => {
  const disk = mkdtempSync(join(tmpdir(), 'hopscope-full-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', disk])
  t.after(() => {
    execFileSync('umount', ['-l', disk])
    rmSync(disk, { recursive: true })
  })
  const args = ['--data-dir', join(disk, 'data'), '--aggregator-wal-sync', 'always', '--aggregator-seal-ms', '100']
  let it = await aggregatorProcess(args)
  t.after(() => it.kill('SIGKILL'))
  const acknowledged: string[] = []
  let refused = 0
  let number = 0
  const take = async (): Promise<void> => {
    const { bytes, services } = request(number++)
    try {
      await send(it.grpcPort, bytes)
      acknowledged.push(...services)
    } catch (error) {
      assert.equal((error as { code: number }).code, 14, 'it may be sent again')
      refused++
    }
  }
  await take()
  // By pages, until each of its files was the one without room: that of the names stands between the log and the spans.
  const met = (): boolean => refused > 0 && /NamesFile|names-file/.test(it.log())
  for (let leave = 24_000; leave < 60_000 && !met(); leave += 3000) {
    await until('it is stored', () => isStored(it))
    fill(disk, leave)
    await take()
    await sleep(300)
    await take()
    await sleep(300)
    rmSync(join(disk, 'filler'))
    await until('it goes on', () => isStored(it), 20_000)
    await sleep(1100)
  }
  assert.ok(met(), `${refused} ${it.log()}`)
  const look = async (): Promise<void> => {
    for (const service of acknowledged.filter((_, i) => i % 7 === 0)) {
      const { traces } = await it.ask<{ traces: unknown[] }>(`hopscope/search?service=${service}`)
      assert.equal(traces.length, 1, service)
    }
  }
  await look()
  assert.equal(await it.kill('SIGTERM'), 0)
  it = await aggregatorProcess(args)
  await until('all is stored', () => isStored(it))
  await look()
})
