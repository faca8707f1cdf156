/** `hopscope dev` runs the aggregator too: its address is printed, and the demo's calls are there within seconds. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { until } from '../aggregator/running.ts'
import { startDev } from './dev-process.ts'

interface Found {
  readonly traces: readonly { readonly services: readonly string[] }[]
}

test('the page is served, whole traces are on it, and nothing is left at the end', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hopscope-test-'))
  const dev = startDev(['--demo', '--port', '0'], { TMPDIR: folder })
  try {
    const [, url] = await dev.shows(/The page with all traces: (http:\S+)/)
    const page = await fetch(url!)
    assert.match(await page.text(), /<title>Hopscope<\/title>/)
    await until('a trace through all three', async () => {
      const { traces } = (await (await fetch(`${url}api/hopscope/search`)).json()) as Found
      return traces.some(({ services }) => [...services].sort().join() === 'orders,payments,web')
    })
    await dev.shows(/^ {2}└ orders /m)
  } finally {
    await dev.interrupt()
  }
  assert.deepEqual(existsSync(folder) ? readdirSync(folder) : [], [])
  rmSync(folder, { recursive: true, force: true })
})
