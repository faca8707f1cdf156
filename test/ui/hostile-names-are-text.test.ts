import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requestOf, send } from '../aggregator/otlp-messages.ts'
import { ORIGIN_MS, rawSpan } from '../aggregator/raw-spans.ts'
import { skip, startUi } from './browser.ts'
import { HOSTILE, HOSTILE_TRACE, hostile, sendSpans } from './demo-spans.ts'

test('markup in every name of a span is shown as it is, in every view, and runs nowhere', {
  skip,
  timeout: 100_000,
}, async (t) => {
  const ui = await startUi(t)
  await sendSpans(ui.aggregator.grpcPort, hostile())
  await ui.aggregator.stored()
  const page = await ui.open('/live')
  const views = [
    '/live',
    '/search',
    '/search?show=spans',
    `/search?${new URLSearchParams({ service: HOSTILE, error: HOSTILE, attribute: `error.type=${HOSTILE}` })}`,
    `/trace/${HOSTILE_TRACE}?span=00000000000000a1`,
    '/map',
    `/latency?${new URLSearchParams({ service: HOSTILE })}`,
    '/idempotency',
  ]
  for (const path of views) {
    await page.goto(ui.origin + path)
    await page.locator('#view', { hasText: '<img src=x' }).waitFor()
    const found = await page.evaluate(
      '[window.pwned, document.querySelectorAll("img, body script, iframe, [onerror]").length]',
    )
    assert.deepEqual(found, [undefined, 0], path)
  }
  await page.goto(`${ui.origin}/search?lastMs=${encodeURIComponent(HOSTILE)}&to=${encodeURIComponent(HOSTILE)}`)
  await page.locator('.row').first().waitFor()
  assert.equal(await page.evaluate('window.pwned'), undefined)
  // A page of its own, since the browser reports what it refuses.
  const bare = await ui.browser.newPage()
  await bare.goto(ui.origin)
  const refused = await bare.evaluate(`try { document.body.innerHTML = '<b>x</b>'; 'taken' } catch (e) { e.name }`)
  assert.equal(refused, 'TypeError', 'the policy refuses markup')
})

test('a name without end leaves the rest in its place', { skip, timeout: 100_000 }, async (t) => {
  const ui = await startUi(t)
  const longest = 'x'.repeat(3000)
  const at = Date.now() - ORIGIN_MS - 1000
  await send(
    ui.aggregator.grpcPort,
    requestOf([{ ...rawSpan({ trace: 'a1', span: '1', startMs: at }), name: longest }], longest),
  )
  await ui.aggregator.stored()
  const page = await ui.open('/live')
  for (const path of [`/trace/${'a1'.padStart(32, '0')}`, '/map', '/latency', '/search']) {
    await page.goto(ui.origin + path)
    await page.locator('#view', { hasText: 'xxx' }).waitFor()
    const widest = await page.evaluate(
      `Math.max(document.documentElement.scrollWidth, ...[...document.querySelectorAll('.svc-cell, .svc')].map((e) => e.getBoundingClientRect().width))`,
    )
    assert.ok((widest as number) <= 1440, `${path}: ${widest}`)
  }
})
