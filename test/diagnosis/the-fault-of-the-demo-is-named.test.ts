/** What a new user is shown: the demo's fault comes, and the incident names it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WatchState } from '../../src/aggregator/diagnosis/watch.ts'
import { until } from '../aggregator/running.ts'
import { startDev } from '../dev/dev-process.ts'

test('the locked ledger of the demo is an incident at payments, and nothing was one before', async () => {
  // 20 calls a second; the fault begins after eight and a half seconds.
  const dev = startDev(['--demo', '--demo-pace', '14', '--port', '0'])
  try {
    const [, page] = await dev.shows(/The page with all traces: (http:\S+)/)
    const watching = async (): Promise<WatchState> =>
      (await (await fetch(`${page}api/hopscope/incidents`)).json()) as WatchState
    await until('what is usual is known', async () => (await watching()).ready >= 4, 12_000)
    const before = (await watching()).incidents
    await until('an incident', async () => (await watching()).incidents.length > 0, 15_000)
    const [incident] = (await watching()).incidents
    const [cause] = incident!.causes
    assert.deepEqual(before, [])
    assert.equal(cause?.service, 'payments')
    assert.ok(['slow_service', 'unsteady_service'].includes(cause!.diagnosis), cause?.diagnosis)
    assert.match(cause!.evidence[0]!, /^payments \/charges: /)
    const trace = await fetch(`${page}api/hopscope/trace/${cause!.traceIds[0]}`)
    assert.match(await trace.text(), /"service":"payments"/)
  } finally {
    await dev.interrupt()
  }
})
