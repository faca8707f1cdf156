import assert from 'node:assert/strict'
import { test } from 'node:test'
import { skip, startUi } from './browser.ts'
import { checkout, sendSpans } from './demo-spans.ts'

const id = (digits: string): string => digits.padStart(32, '0')

test('hops with phases, own time, clocks, gaps and findings; a span with its attributes, and the way to linked traces', {
  skip,
  timeout: 100_000,
}, async (t) => {
  const ui = await startUi(t)
  await sendSpans(ui.aggregator.grpcPort, checkout('3', 0, { skewMs: 5000, orphan: true, failed: true }))
  await sendSpans(ui.aggregator.grpcPort, checkout('c0ffee', 0))
  await ui.aggregator.stored()
  const page = await ui.open(`/trace/${id('3')}`)
  const row = (text: string) => page.locator('.row', { hasText: text })
  await row('GET /checkout/{id}').waitFor()
  assert.equal(await page.locator('.row').count(), 9)

  const parts = await row('outbound')
    .first()
    .locator('.part')
    .evaluateAll((all) => all.map((one) => one.className))
  const names = ['dns', 'connect', 'tls', 'send', 'wait', 'receive', 'self'].map((name) => `part p-${name}`)
  assert.deepEqual(parts, names)
  assert.match(
    (await row('outbound').first().locator('.lane').getAttribute('aria-label')) ?? '',
    /dns 2\.00 ms.*proxy's own 2\.00 ms/,
  )

  const gap = page.locator('.row.gap')
  assert.match(await gap.innerText(), /missing.*no span 00000000000000e1 came/s)
  const findings = await page.locator('.findings').innerText()
  assert.match(findings, /missing parent a span of stock names 00000000000000e1/)
  assert.match(findings, /clock of ledger corrected by 5\.00 s ± /)
  assert.match(findings, /never compared: stock/)
  assert.match(await page.locator('.trace-head').innerText(), /errors\s*5/)

  await row('POST /charge').click()
  const panel = page.locator('.panel')
  assert.match(await panel.innerText(), /corrected by 5\.00 s ± .*hop/)
  await page.locator('.check input').click()
  await page.waitForURL(/raw=true/)
  await page.locator('.panel', { hasText: 'clock' }).waitFor()
  assert.match(await page.locator('.trace-head').innerText(), /duration\s*5\.0/)

  await row('POST /orders').nth(1).click()
  await panel.locator('.links a').waitFor()
  assert.match(await panel.innerText(), /hopscope\.idempotency\.outcome\s*conflict/)
  assert.match(await panel.innerText(), /cart was loaded/)
  const recorded = await panel.locator('.recorded').innerText()
  assert.match(recorded, /failed or was slow at another hop.*request.*authorization.*REDACTED.*response.*vary/s)
  assert.match(recorded, /\{"sold":"out"\}/)
  await panel.locator('.links a').click()
  await page.waitForURL(new RegExp(`/trace/${id('c0ffee')}\\?span=00000000000000a1`))
  await page.locator('.row[aria-selected=true]', { hasText: 'GET /checkout/{id}' }).waitFor()
  await page.goBack()
  await page.waitForURL(new RegExp(id('3')))
  await gap.waitFor()
})

test('a trace that is not there is said so', { skip, timeout: 100_000 }, async (t) => {
  const ui = await startUi(t)
  const page = await ui.open(`/trace/${id('dead')}`)
  await page.locator('[role=alert]', { hasText: `no span of trace ${id('dead')}` }).waitFor()
})
