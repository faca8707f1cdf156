import assert from 'node:assert/strict'
import { test } from 'node:test'
import { skip, startUi } from './browser.ts'
import { checkout, sendSpans } from './demo-spans.ts'

test('the map has an edge for each pair, the heat map leads to its spans, outcomes are counted, new traces come by themselves', {
  skip,
  timeout: 100_000,
}, async (t) => {
  const ui = await startUi(t)
  for (let i = 1; i <= 8; i++)
    await sendSpans(ui.aggregator.grpcPort, checkout(i.toString(16), i * 100, { failed: i === 8 }))
  await ui.aggregator.stored()
  const map = await ui.open('/map')
  await map.locator('.map .node').first().waitFor()
  const nodes = await map.locator('.map .node').evaluateAll((all) => all.map((one) => one.getAttribute('aria-label')))
  assert.deepEqual(nodes.map((label) => label!.split(',')[0]).sort(), ['clients', 'orders', 'payments', 'web'])
  assert.equal(await map.locator('.map .edge[role=link]').count(), 3)
  const cells = await map
    .locator('tbody tr', { hasText: /orders\s*payments/ })
    .locator('td')
    .allInnerTexts()
  assert.deepEqual([cells[3], cells[4]], ['8', '13%'])
  assert.match(cells[8]!, /ms/, 'network time')
  await map.locator('.map .node', { hasText: 'orders' }).press('Enter')
  await map.waitForURL(/\/search\?service=orders/)

  const latency = await ui.open('/latency?service=web&lastMs=300000')
  await latency.locator('.heat-box').press('ArrowRight')
  await latency.locator('.tip', { hasText: 'requests' }).waitFor()
  assert.match(await latency.locator('.tip').innerText(), /\d+ requests/)
  await latency.keyboard.press('Enter')
  await latency.waitForURL(/\/search\?show=spans&service=web&from=\d+&to=\d+&minMs=/)
  await latency.locator('.row', { hasText: 'GET /checkout/{id}' }).first().waitFor()

  const outcomes = await ui.open('/idempotency')
  await outcomes.locator('.tile').first().waitFor()
  const tiles = await outcomes.locator('.tile').allInnerTexts()
  assert.deepEqual(
    tiles.map((text) => text.split('\n').slice(0, 2).join(' ')),
    ['first 6', 'replay 1', 'conflict 1'],
  )

  const live = await ui.open('/live?status=error')
  await live.locator('.row').first().waitFor()
  assert.equal(await live.locator('.row').count(), 1)
  await live.locator('.statusline', { hasText: 'live ·' }).waitFor()
  await sendSpans(ui.aggregator.grpcPort, checkout('a1', 5000))
  await sendSpans(ui.aggregator.grpcPort, checkout('a2', 6000, { failed: true }))
  await live.locator('.row').nth(1).waitFor()
  assert.match(await live.locator('.statusline').innerText(), /2 of 10 traces/)
})
