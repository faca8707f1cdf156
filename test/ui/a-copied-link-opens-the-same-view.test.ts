import assert from 'node:assert/strict'
import { test } from 'node:test'
import { skip, startUi } from './browser.ts'
import { checkout, sendSpans } from './demo-spans.ts'

test('filters, the chosen span, the part of time and the chosen route are in the address', {
  skip,
  timeout: 100_000,
}, async (t) => {
  const ui = await startUi(t)
  for (let i = 1; i <= 12; i++) {
    await sendSpans(ui.aggregator.grpcPort, checkout(i.toString(16), i * 500, { failed: i % 3 === 0, slow: i / 2 }))
  }
  await ui.aggregator.stored()
  /** The address in another browser's page. */
  const copied = async (url: string) => ui.open(url.slice(ui.origin.length))

  const search = await ui.open('/search')
  await search.locator('.row').first().waitFor()
  await search.fill('[name=service]', 'orders')
  await search.fill('[name=minMs]', '60')
  await search.fill('[name=attribute]', 'http.route=/orders; http.response.status_code=503')
  await search.selectOption('[name=status]', 'error')
  await search.waitForURL(/status=error/)
  await search.locator('[role=status]', { hasText: '3 traces' }).waitFor()
  const search2 = await copied(search.url())
  await search2.locator('[role=status]', { hasText: '3 traces' }).waitFor()
  assert.equal(await search2.inputValue('[name=attribute]'), 'http.route=/orders; http.response.status_code=503')
  assert.equal(await search2.inputValue('[name=minMs]'), '60')

  const trace = await ui.open(`/trace/${'9'.padStart(32, '0')}`)
  await trace.locator('.row', { hasText: 'POST /charge' }).click()
  await trace.keyboard.press('z')
  await trace.waitForURL(/span=.*t=|t=.*span=/)
  const axis = await trace.locator('.axis').innerText()
  const trace2 = await copied(trace.url())
  await trace2.locator('.row[aria-selected=true]', { hasText: 'POST /charge' }).waitFor()
  assert.equal(await trace2.locator('.axis').innerText(), axis)
  assert.match(await trace2.locator('.panel').innerText(), /POST \/charge/)

  const latency = await ui.open('/latency')
  await latency.locator('.routes a', { hasText: '/charge' }).click()
  await latency.locator('.heat h2', { hasText: 'payments  /charge' }).waitFor()
  const latency2 = await copied(latency.url())
  await latency2.locator('.heat h2', { hasText: 'payments  /charge' }).waitFor()
  await latency2.locator('.heat p', { hasText: '12 requests, 4 failed' }).waitFor()
  assert.match(await latency2.locator('tr[aria-selected=true]').innerText(), /charge/)
})
