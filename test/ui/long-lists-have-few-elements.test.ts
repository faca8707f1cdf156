import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { until } from '../aggregator/running.ts'
import { skip, startUi } from './browser.ts'
import { sendSpans, wide } from './demo-spans.ts'

const elements = (page: Page): Promise<number> => page.evaluate('document.querySelectorAll("*").length')
const BOUND = 1500

async function rowsLoaded(page: Page): Promise<number> {
  return Number(await page.locator('.rows').getAttribute('aria-rowcount'))
}

test('100,000 spans in a list and 10,000 in a trace: rows exist for what is in sight alone', {
  skip,
  timeout: 110_000,
}, async (t) => {
  const ui = await startUi(t)
  const traces = Array.from({ length: 10 }, (_, i) => `${i + 1}bb`)
  for (const trace of traces) await sendSpans(ui.aggregator.grpcPort, wide(trace, 10_000))
  await ui.aggregator.stored()

  const list = await ui.open('/search?show=spans')
  await list.locator('.row').first().waitFor()
  let most = 0
  await list.locator('.rows').focus()
  await until(
    'all is fetched by going to the end',
    async () => {
      await list.keyboard.press('End')
      most = Math.max(most, await elements(list))
      return (await rowsLoaded(list)) === 100_000
    },
    60_000,
  )
  await list.keyboard.press('End')
  for (let i = 0; i < 30; i++) {
    await list.mouse.move(600, 500)
    await list.mouse.wheel(0, i % 2 === 0 ? -40_000 : 15_000)
    most = Math.max(most, await elements(list))
  }
  await list.keyboard.press('End')
  assert.equal(await list.locator('.row[aria-rowindex="100000"][aria-selected=true]').count(), 1)
  assert.ok(most < BOUND, `${most} elements`)

  const trace = await ui.open(`/trace/${'1bb'.padStart(32, '0')}`)
  await trace.locator('.row').first().waitFor()
  assert.equal(await rowsLoaded(trace), 10_000)
  await trace.keyboard.press('End')
  await trace.locator('.row[aria-rowindex="10000"]').waitFor()
  for (let i = 0; i < 20; i++) {
    await trace.mouse.move(600, 600)
    await trace.mouse.wheel(0, -12_000)
    assert.ok((await elements(trace)) < BOUND)
  }
  await trace.keyboard.press('Home')
  // Attributes of large traces come span by span.
  await trace.locator('.panel', { hasText: 'service.name' }).waitFor()
  await trace.keyboard.press('[')
  await until('folded', async () => (await rowsLoaded(trace)) === 1001)
  await trace.keyboard.press(']')
  await until('unfolded', async () => (await rowsLoaded(trace)) === 10_000)
})
