/** Real services behind real proxies: what went wrong in the demo is named rightly. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TraceDiagnosis } from '../../src/aggregator/diagnosis/diagnosis.ts'
import { until } from '../aggregator/running.ts'
import { startDev } from '../dev/dev-process.ts'

interface Found {
  readonly traces: readonly { readonly traceId: string; readonly spans: number }[]
}

test('a failed charge, a connection that is reset, and a retry that hid one are all at payments', async () => {
  const dev = startDev(['--demo', '--port', '0'])
  try {
    const [, page] = await dev.shows(/The page with all traces: (http:\S+)/)
    const [, front] = await dev.shows(/curl -i (http:\S+)\/checkout\/7/)
    const ask = async <T>(path: string): Promise<T> => (await (await fetch(`${page}api/hopscope/${path}`)).json()) as T
    const seen = new Map<string, string>()
    for (let i = 0; i < 7; i++) {
      await fetch(`${front}/checkout/${i}`)
      await fetch(`${front}/orders/${i}`)
    }
    await until('each kind of trouble', async () => {
      const { traces } = await ask<Found>('search?limit=60&lastMs=60000')
      for (const { traceId, spans } of traces) {
        if (spans < 3) continue
        const { diagnosis } = await ask<{ diagnosis: TraceDiagnosis }>(`trace/${traceId}`)
        const [cause] = diagnosis.causes
        if (cause === undefined || diagnosis.verdict === 'slow') continue
        // A trace that is still under way may lack the hop at fault.
        if (diagnosis.note === '') seen.set(`${diagnosis.verdict} ${cause.diagnosis}`, cause.service)
      }
      return seen.size >= 3
    })
    assert.deepEqual(Object.fromEntries(seen), {
      'failed server_error': 'payments',
      'failed connection_reset': 'payments',
      'recovered connection_reset': 'payments',
    })
  } finally {
    await dev.interrupt()
  }
})
