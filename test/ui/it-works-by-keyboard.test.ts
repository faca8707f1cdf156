import assert from 'node:assert/strict'
import { test } from 'node:test'
import { skip, startUi } from './browser.ts'
import { checkout, sendSpans } from './demo-spans.ts'

test('views, search, lists, traces and help, without a mouse', { skip, timeout: 100_000 }, async (t) => {
  const ui = await startUi(t)
  await sendSpans(ui.aggregator.grpcPort, checkout('1', 0))
  await sendSpans(ui.aggregator.grpcPort, checkout('2', 1000, { failed: true }))
  await ui.aggregator.stored()
  const page = await ui.open('/')
  const press = async (...keys: readonly string[]): Promise<void> => {
    for (const key of keys) await page.keyboard.press(key)
  }
  const selected = page.locator('.row[aria-selected=true]')

  await press('?')
  await page.locator('dialog[open]', { hasText: 'Keys' }).waitFor()
  await press('Escape')
  await page.locator('dialog[open]').waitFor({ state: 'detached' })
  await press('g', 's')
  await page.waitForURL(/\/search$/)
  await page.locator('.row').nth(1).waitFor()
  await press('/')
  assert.equal(await page.evaluate('document.activeElement.name'), 'service')
  await page.keyboard.type('web')
  await press('Enter')
  await page.waitForURL(/service=web/)
  await page.locator('.row').nth(1).waitFor()
  await press('Escape', 'ArrowDown')
  await selected.waitFor()
  // The latest is first.
  await press('Enter')
  await page.waitForURL(/\/trace\/0+2$/)
  await page.locator('.row').first().waitFor()

  await press('ArrowDown', 'ArrowDown')
  assert.match(await selected.innerText(), /web.*POST.*outbound/s)
  await page.waitForURL(/span=00000000000000a2/)
  await press('ArrowLeft')
  assert.equal(await page.locator('.row').count(), 2)
  await press('ArrowRight')
  assert.equal(await page.locator('.row').count(), 7)
  await press('e')
  assert.match(await selected.innerText(), /orders.*POST \/orders/s)
  await press('+')
  await page.waitForURL(/t=\d+-\d+/)
  await press('0')
  await page.waitForURL((url) => !url.searchParams.has('t'))
  await press('Escape')
  await page.locator('.split:not(.open)').waitFor({ state: 'attached' })
  for (const [key, path] of [
    ['m', 'map'],
    ['h', 'latency'],
    ['i', 'idempotency'],
    ['c', 'clocks'],
    ['l', 'live'],
  ]) {
    await press('g', key!)
    await page.waitForURL(new RegExp(`/${path}$`))
    assert.equal(await page.locator('nav a[aria-current=page]').getAttribute('href'), `/${path}`)
  }
  await press(' ')
  await page.locator('.statusline', { hasText: 'paused' }).waitFor()
})

test('everything that can be used has a name', { skip, timeout: 100_000 }, async (t) => {
  const ui = await startUi(t)
  await sendSpans(ui.aggregator.grpcPort, checkout('1', 0))
  await ui.aggregator.stored()
  const page = await ui.open('/live')
  for (const path of [
    '/live',
    '/search',
    `/trace/${'1'.padStart(32, '0')}?span=00000000000000b1`,
    '/map',
    '/latency',
    '/idempotency',
  ]) {
    await page.goto(ui.origin + path)
    await page.locator('#view :is(.row, table.data)').first().waitFor()
    const nameless =
      await page.evaluate(`[...document.querySelectorAll('a, button, input, select, [role=link], [role=grid], [role=treegrid], [role=application]')]
      .filter((one) => !(one.getAttribute('aria-label') || one.textContent.trim() || one.labels?.[0]?.textContent.trim()))
      .map((one) => one.outerHTML)`)
    assert.deepEqual(nameless, [], path)
  }
})
